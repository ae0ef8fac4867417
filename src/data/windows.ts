import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, integer } from '../core/options.js';
import { Random } from '../core/random.js';
import { requireFinite, rowCount } from './scaler.js';

export interface WindowDatasetOptions {
  /** Features of a whole session, row-major, rows × columns; not copied. */
  values: Float32Array;
  columns: number;
  /** Rows of a window. */
  steps: number;
  /** One array a horizon, one class a row of the session (−1: none); not copied. May be left out for prediction. */
  targets?: readonly Int32Array[];
  /** One array a horizon, one return a row of the session, such as `standardReturns(label, train)`; NaN: none. Not copied. */
  returns?: readonly Float32Array[];
  /** The last rows of the windows, such as `sampleRows(split.train, stride)`. */
  rows: Int32Array;
  /** Names of the columns, for error messages. */
  names?: readonly string[];
}

/**
 * Windows of the last `steps` rows, with their targets. Neighbouring windows overlap in all rows but one, so nothing is
 * stored twice: a window is a stretch of `values`, copied once, into the batch.
 */
export class WindowDataset {
  readonly values: Float32Array;
  readonly columns: number;
  readonly steps: number;
  readonly targets: readonly Int32Array[];
  readonly rows: Int32Array;
  /** Copies returns for a regression: one array a horizon, (indices.length) or longer. Absent where the session has none. */
  readonly returns?: (indices: ArrayLike<number>, out: readonly Float32Array[]) => void;
  readonly #returns: readonly Float32Array[];

  /**
   * @throws FlashbookError `DATA` where the session has fewer rows than one window, `SHAPE` for arrays that do not fit
   * each other, `OPTION` for a last row whose window would begin before row 0, `NUMERIC` naming row and column of a value
   * inside a window that is not finite
   */
  constructor(options: WindowDatasetOptions) {
    checkOptions('WindowDataset', options, ['values', 'columns', 'steps', 'targets', 'returns', 'rows', 'names']);
    const { values, columns, targets = [], returns, rows, names } = options;
    const steps = integer('steps', options.steps, 1);
    const total = rowCount(values, columns);
    if (total < steps) {
      throw new FlashbookError(
        'DATA',
        `${total} rows are fewer than one window of ${steps}; give more rows or a shorter window`,
        { rows: total, steps },
      );
    }
    if (!(rows instanceof Int32Array)) throw invalid('rows', 'an Int32Array of last rows', rows, 'SHAPE');
    for (const [h, target] of targets.entries()) {
      if (!(target instanceof Int32Array) || target.length !== total) {
        throw invalid(`targets[${h}]`, `an Int32Array of ${total} classes, one a row`, target, 'SHAPE');
      }
    }
    if (returns !== undefined && returns.length !== targets.length) {
      throw invalid('returns', `${targets.length} arrays, one a horizon`, returns.length, 'SHAPE');
    }
    for (const [h, values] of (returns ?? []).entries()) {
      if (!(values instanceof Float32Array) || values.length !== total) {
        throw invalid(`returns[${h}]`, `a Float32Array of ${total} returns, one a row`, values, 'SHAPE');
      }
    }
    for (let i = 0; i < rows.length; i++) integer(`rows[${i}]`, rows[i], steps - 1, total - 1);
    // Each row once, though many windows hold it.
    let checked = 0;
    for (const row of rows.slice().sort()) {
      requireFinite(
        values,
        columns,
        { start: Math.max(row - steps + 1, checked), end: Math.max(row + 1, checked) },
        names,
      );
      checked = Math.max(checked, row + 1);
    }
    this.values = values;
    this.columns = columns;
    this.steps = steps;
    this.targets = targets;
    this.rows = rows;
    this.#returns = returns ?? [];
    if (returns !== undefined) {
      this.returns = (indices, out) => {
        for (const [h, list] of out.entries()) {
          for (let i = 0; i < indices.length; i++) list[i] = returns[h][rows[indices[i]]];
        }
      };
    }
  }

  /** How many windows there are. */
  get length(): number {
    return this.rows.length;
  }

  get horizons(): number {
    return this.targets.length;
  }

  /**
   * Copies windows into a batch.
   *
   * @param indices which windows, 0 … length − 1
   * @param outX (indices.length, steps, columns) or longer
   * @param outY one array a horizon, (indices.length) or longer; may be left out
   */
  batch(indices: ArrayLike<number>, outX: Float32Array, outY: readonly Int32Array[] = []): void {
    const { values, columns, steps, rows, targets } = this;
    const size = steps * columns;
    if (outX.length < indices.length * size)
      throw invalid('outX', `room for ${indices.length} windows of ${size}`, outX, 'SHAPE');
    if (outY.length > targets.length)
      throw invalid('outY', `at most ${targets.length} arrays, one a horizon`, outY, 'SHAPE');
    for (const [h, y] of outY.entries()) {
      if (y.length < indices.length) throw invalid(`outY[${h}]`, `room for ${indices.length} classes`, y, 'SHAPE');
    }
    for (let i = 0; i < indices.length; i++) {
      const row = rows[indices[i]];
      if (row === undefined) throw invalid(`indices[${i}]`, `a window from 0 to ${rows.length - 1}`, indices[i]);
      const start = (row - steps + 1) * columns;
      outX.set(values.subarray(start, start + size), i * size);
      for (let h = 0; h < outY.length; h++) outY[h][i] = targets[h][row];
    }
  }

  /** The classes of one horizon, one a window. */
  labels(horizon: number): Int32Array {
    integer('horizon', horizon, 0, this.targets.length - 1);
    const target = this.targets[horizon];
    return this.rows.map((row) => target[row]);
  }

  /** The arrays that it reads, for a digest. */
  sources(): (Float32Array | Int32Array)[] {
    return [this.values, this.rows, ...this.targets, ...this.#returns];
  }

  /** All windows in an order drawn from (seed, epoch) alone: the same on every machine, each order equally likely. */
  order(seed: number, epoch = 0): Int32Array {
    return new Random(seed, epoch + 1).shuffle(Int32Array.from(this.rows, (_, i) => i));
  }
}
