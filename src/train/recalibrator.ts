import type { Plan } from '../native/index.js';
import { BatchOrder, type Windows } from './windows.js';

/** Batches that move the statistics: with a momentum of 0.1 what they were before counts 0.9^50 = 0.5 %. */
const BATCHES = 50;

/**
 * Averaged weights have other activations than the weights they are averages of, so that running statistics of batch
 * normalisation do not fit them: they are measured again on training batches, always the same ones. Source: Izmailov et al. 2018, "Averaging
 * Weights Leads to Wider Optima", §3.2; here by the layers' own moving average, where torch.optim.swa_utils.update_bn takes a
 * plain mean.
 */
export class Recalibrator {
  readonly #plan: Plan;
  readonly #windows: Windows;
  readonly #order: BatchOrder;
  readonly #seed: number;
  readonly #x: Float32Array;
  readonly #targets: Int32Array[];

  /** @param plan of `statisticsGraph`, over the state of the averaged weights */
  constructor(plan: Plan, windows: Windows, { batch, seed }: { batch: number; seed: number }) {
    this.#plan = plan;
    this.#windows = windows;
    this.#order = new BatchOrder(windows, { batch, seed });
    this.#seed = seed;
    this.#x = new Float32Array(batch * windows.steps * windows.columns);
    this.#targets = Array.from({ length: windows.horizons }, () => new Int32Array(batch));
  }

  async run(): Promise<void> {
    for (let number = 1; number <= BATCHES; number++) {
      this.#windows.batch(this.#order.indices(number), this.#x, this.#targets);
      const rng = Uint32Array.of(this.#seed >>> 0, Math.floor(this.#seed / 2 ** 32), number, 0);
      await this.#plan.run([this.#x, rng]);
    }
  }
}
