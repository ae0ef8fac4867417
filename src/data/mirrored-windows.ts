import { invalid } from '../core/errors.js';
import { Random } from '../core/random.js';
import type { Mirror } from '../features/index.js';
import type { WindowDataset } from './windows.js';

/**
 * Windows and their mirror images (`featureMirror`): window `length/2 + i` is window i with bids and asks in each other's place, and
 * its class c is C − 1 − c, up for down. Twice the examples, and no lesson that a day's own trend could teach: what is learned of
 * one side is learned of the other. Scale the values by a scaler that was fitted with the same mirror.
 *
 * @throws FlashbookError `SHAPE` for a mirror of other columns than the windows have
 */
export class MirroredWindows {
  readonly steps: number;
  readonly columns: number;
  readonly horizons: number;
  /** See `WindowDataset`; the returns of images have the other sign. */
  readonly returns?: (indices: ArrayLike<number>, out: readonly Float32Array[]) => void;
  readonly #windows: WindowDataset;
  readonly #mirror: Mirror;
  readonly #classes: number;
  readonly #row: Float32Array;

  /** @param classes of every target, from the lowest (down) to the highest (up) */
  constructor(windows: WindowDataset, mirror: Mirror, classes = 3) {
    const { steps, columns, horizons } = windows;
    if (mirror?.from?.length !== columns || mirror.sign.length !== columns) {
      throw invalid('mirror', `that of ${columns} columns`, mirror?.from?.length, 'SHAPE');
    }
    this.steps = steps;
    this.columns = columns;
    this.horizons = horizons;
    this.#windows = windows;
    this.#mirror = mirror;
    this.#classes = classes;
    this.#row = new Float32Array(columns);
    const { length, returns } = windows;
    if (returns !== undefined) {
      this.returns = (indices, out) => {
        returns(
          Int32Array.from(indices, (index) => index % length),
          out,
        );
        for (const list of out) for (let i = 0; i < indices.length; i++) if (indices[i] >= length) list[i] = -list[i];
      };
    }
  }

  get length(): number {
    return 2 * this.#windows.length;
  }

  /** Copies windows into a batch; see `WindowDataset`. */
  batch(indices: ArrayLike<number>, outX: Float32Array, outY: readonly Int32Array[] = []): void {
    const { length } = this.#windows;
    const size = this.steps * this.columns;
    this.#windows.batch(
      Int32Array.from(indices, (index) => index % length),
      outX,
      outY,
    );
    for (let i = 0; i < indices.length; i++) {
      if (indices[i] < length) continue;
      this.#reflect(outX.subarray(i * size, (i + 1) * size));
      for (const y of outY) y[i] = this.#opposite(y[i]);
    }
  }

  /** The classes of one horizon, one a window. */
  labels(horizon: number): Int32Array {
    const own = this.#windows.labels(horizon);
    const all = new Int32Array(2 * own.length);
    all.set(own);
    all.set(
      own.map((c) => this.#opposite(c)),
      own.length,
    );
    return all;
  }

  sources(): (Float32Array | Int32Array)[] {
    return [...this.#windows.sources(), this.#mirror.from, this.#mirror.sign];
  }

  order(seed: number, epoch = 0): Int32Array {
    return new Random(seed, epoch + 1).shuffle(Int32Array.from({ length: this.length }, (_, i) => i));
  }

  #opposite(c: number): number {
    return c < 0 ? c : this.#classes - 1 - c;
  }

  #reflect(window: Float32Array): void {
    const { from, sign } = this.#mirror;
    for (let at = 0; at < window.length; at += this.columns) {
      this.#row.set(window.subarray(at, at + this.columns));
      for (let c = 0; c < this.columns; c++) window[at + c] = sign[c] * this.#row[from[c]];
    }
  }
}
