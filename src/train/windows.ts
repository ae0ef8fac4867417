import { FlashbookError } from '../core/errors.js';
import type { TypedArray } from '../native/plan-spec.js';

/** What training needs of a data set of windows; WindowDataset is one. */
export interface Windows {
  /** Number of windows. */
  readonly length: number;
  /** Rows of a window. */
  readonly steps: number;
  /** Columns of a row. */
  readonly columns: number;
  readonly horizons: number;
  /**
   * Copies windows into a batch: window `indices[i]` to outX[i] (steps × columns, row-major) and its targets to outY[h][i]
   * (−1 where a horizon has no label).
   */
  batch(indices: Int32Array, outX: Float32Array, outY: Int32Array[]): void;
  /** The targets of one horizon, one a window, −1 where there is no label. */
  labels(horizon: number): Int32Array;
  /** All window numbers in an order drawn from (seed, epoch) alone. */
  order(seed: number, epoch: number): Int32Array;
  /**
   * Copies returns for a regression: of window `indices[i]` and horizon h to out[h][i], in a unit in which they are about 1; NaN where there is
   * none. May be absent.
   */
  returns?(indices: Int32Array, out: Float32Array[]): void;
  /** The arrays that it reads, for a digest. */
  sources(): readonly TypedArray[];
}

/**
 * The order in which training sees its windows: each epoch an order of its own, cut into batches of equal size; the rest of
 * an epoch that fills no batch is left out of that epoch. Step s is always the same batch, so a resumed run needs no more than s.
 */
export class BatchOrder {
  readonly #windows: Pick<Windows, 'length' | 'order'>;
  readonly #batch: number;
  readonly #seed: number;
  readonly #batchesPerEpoch: number;
  #epoch = -1;
  #order: Int32Array = new Int32Array(0);

  constructor(windows: Pick<Windows, 'length' | 'order'>, { batch, seed }: { batch: number; seed: number }) {
    this.#windows = windows;
    this.#batch = batch;
    this.#seed = seed;
    this.#batchesPerEpoch = Math.floor(windows.length / batch);
  }

  /** Epoch of a step; steps begin at 1, epochs at 0. */
  epochOf(step: number): number {
    return Math.floor((step - 1) / this.#batchesPerEpoch);
  }

  /** The windows of a step. */
  indices(step: number): Int32Array {
    const epoch = this.epochOf(step);
    if (epoch !== this.#epoch) {
      this.#order = this.#windows.order(this.#seed, epoch);
      this.#epoch = epoch;
    }
    const at = ((step - 1) % this.#batchesPerEpoch) * this.#batch;
    return this.#order.subarray(at, at + this.#batch);
  }
}

/** At most `most` of `length` window numbers, evenly spaced and rising; all of them where they are fewer. */
export function evenlySpaced(length: number, most: number): Int32Array {
  const count = Math.min(length, most);
  return Int32Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
}

/**
 * Every horizon that a model has needs labels of at least `least` of its classes.
 * @throws FlashbookError DATA naming the data set and the horizon
 */
export function checkLabels(name: string, windows: Windows, classes: readonly number[], least: number): void {
  if (classes.length !== windows.horizons) {
    const counts = `${classes.length} horizons and ${windows.horizons} columns of targets`;
    throw new FlashbookError(
      'DATA',
      `expected as many targets in ${name} as the model has horizons but received ${counts}`,
      {
        name,
        horizons: classes.length,
        targets: windows.horizons,
      },
    );
  }
  for (const [horizon, count] of classes.entries()) {
    const rows = new Array(count).fill(0);
    for (const [window, label] of windows.labels(horizon).entries()) {
      if (label < -1 || label >= count) {
        throw new FlashbookError(
          'DATA',
          `expected labels from −1 to ${count - 1} in ${name}, horizon ${horizon}, but window ${window} has ${label}`,
          { name, horizon, window, label },
        );
      }
      if (label >= 0) rows[label]++;
    }
    const present = rows.filter((n) => n > 0).length;
    if (present >= least) continue;
    const found = present === 0 ? 'none' : `only class ${rows.findIndex((n) => n > 0)}`;
    throw new FlashbookError(
      'DATA',
      `expected labels of at least ${least} ${least === 1 ? 'class' : 'classes'} in ${name}, horizon ${horizon}, ` +
        `but found ${found}; give more rows or change the label's threshold`,
      { name, horizon, classes: present },
    );
  }
}
