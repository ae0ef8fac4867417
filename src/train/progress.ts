import type { Clock } from '../core/clock.js';
import { PaceMeter } from '../core/clock.js';

/** Told to `onProgress` after every step and during evaluations. */
export interface TrainProgress {
  phase: 'train' | 'evaluate';
  /** Steps made, and the steps of the whole run (early stopping may end it sooner). */
  step: number;
  total: number;
  /** The first epoch is 0. */
  epoch: number;
  /** Loss of the last step. */
  loss: number;
  /** Loss of the last evaluation; NaN before the first. */
  validationLoss: number;
  learningRate: number;
  gradientNorm: number;
  /** Training examples a second, evaluations not counted. */
  examplesPerSecond: number;
  /** Seconds until the last step, evaluations counted; NaN while unknown. */
  secondsLeft: number;
  /** Only while evaluating: the part of the validation rows that is done, 0 … 1. */
  fraction?: number;
}

/** Keeps time for progress events. Its values are shown to people and never reach the weights. */
export class TrainClock {
  readonly #clock: Clock;
  readonly #start: number;
  readonly #meter: PaceMeter;
  readonly #total: number;
  readonly #evaluateEvery: number;
  #evaluations = 0;
  #evaluationMs = 0;
  #evaluationStart = 0;

  constructor(clock: Clock, { step, total, evaluateEvery }: { step: number; total: number; evaluateEvery: number }) {
    this.#clock = clock;
    this.#start = clock();
    this.#meter = new PaceMeter(clock, step);
    this.#total = total;
    this.#evaluateEvery = evaluateEvery;
  }

  /** Seconds since the run began or was resumed. */
  seconds(): number {
    return (this.#clock() - this.#start) / 1000;
  }

  evaluationBegins(): void {
    this.#meter.pause();
    this.#evaluationStart = this.#clock();
  }

  evaluationEnds(): void {
    this.#meter.resume();
    this.#evaluationMs += this.#clock() - this.#evaluationStart;
    this.#evaluations++;
  }

  /** Pace after `step` steps. */
  pace(step: number, batch: number): { examplesPerSecond: number; secondsLeft: number } {
    const { perSecond, secondsLeft } = this.#meter.at(step, this.#total);
    const evaluationsLeft = Math.ceil((this.#total - step) / this.#evaluateEvery);
    const each = this.#evaluations === 0 ? 0 : this.#evaluationMs / this.#evaluations / 1000;
    return { examplesPerSecond: perSecond * batch, secondsLeft: secondsLeft + evaluationsLeft * each };
  }
}
