import { finite, integer } from '../core/options.js';

/** What early stopping remembers; plain data that goes into a checkpoint. */
export interface EarlyStoppingState {
  /** The lowest metric so far; Infinity is stored as null. */
  best: number | null;
  /** Step of the lowest metric; 0 before the first evaluation. */
  bestStep: number;
  /** Evaluations since then. */
  stale: number;
}

/**
 * Stops training when a metric (lower is better) has not improved for `patience` evaluations in a row. An evaluation
 * improves when it is lower than the best by more than `minDelta`. A NaN metric never improves.
 * Source: Goodfellow, Bengio & Courville 2016, "Deep Learning", algorithm 7.1.
 */
export class EarlyStopping {
  readonly patience: number;
  readonly minDelta: number;
  #best = Number.POSITIVE_INFINITY;
  #bestStep = 0;
  #stale = 0;

  /** `patience` Infinity never stops, and only keeps account of the best. */
  constructor({ patience = Number.POSITIVE_INFINITY, minDelta = 0 }: { patience?: number; minDelta?: number } = {}) {
    if (patience !== Number.POSITIVE_INFINITY) integer('patience', patience, 1);
    finite('minDelta', minDelta, 0);
    this.patience = patience;
    this.minDelta = minDelta;
  }

  get best(): number {
    return this.#best;
  }

  get bestStep(): number {
    return this.#bestStep;
  }

  get shouldStop(): boolean {
    return this.#stale >= this.patience;
  }

  /** Takes the metric of the evaluation at `step`; true when it is the best so far. */
  observe(step: number, metric: number): boolean {
    if (metric < this.#best - this.minDelta) {
      this.#best = metric;
      this.#bestStep = step;
      this.#stale = 0;
      return true;
    }
    this.#stale++;
    return false;
  }

  snapshot(): EarlyStoppingState {
    return { best: Number.isFinite(this.#best) ? this.#best : null, bestStep: this.#bestStep, stale: this.#stale };
  }

  restore(state: EarlyStoppingState): void {
    this.#best = state.best ?? Number.POSITIVE_INFINITY;
    this.#bestStep = state.bestStep;
    this.#stale = state.stale;
  }
}
