import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, finite, integer } from '../core/options.js';
import type { Mirror } from '../features/index.js';
import { checkRange, type RowRange } from './labels.js';

/** Values further than this many standard deviations from the mean are cut off. */
export const DEFAULT_CLIP = 10;

/**
 * Brings each column to mean 0 and standard deviation 1, as measured on the train rows:
 * y = min(max((x − mean)·inverseStd, −clip), clip), in float32 with a rounding after each operation, the same to the bit as
 * the operation `standardize` of a graph. A column that is constant on train has inverseStd 0: it becomes 0, for it tells
 * nothing. NaN stays NaN.
 */
export class StandardScaler {
  readonly mean: Float32Array;
  readonly inverseStd: Float32Array;
  readonly clip: number;

  constructor(mean: Float32Array, inverseStd: Float32Array, clip: number = DEFAULT_CLIP) {
    if (mean.length !== inverseStd.length)
      throw invalid('inverseStd', `${mean.length} values, one a column`, inverseStd, 'SHAPE');
    this.mean = mean;
    this.inverseStd = inverseStd;
    this.clip = finite('clip', clip, Number.MIN_VALUE);
  }

  /**
   * Measures the columns over the rows of `range`: the train rows, and no others, or the future leaks into the past.
   * Mean and population variance in float64, in two passes.
   *
   * @param values row-major, rows × columns
   * @param options.names of the columns, for error messages
   * @param options.mirror measures the rows and their mirror images together, so that the image of a scaled row is the scaled image
   * @throws FlashbookError `NUMERIC` naming row and column of a value that is not finite, `DATA` for an empty range
   */
  static fit(
    values: Float32Array,
    columns: number,
    range: RowRange,
    options: { clip?: number; names?: readonly string[]; mirror?: Mirror } = {},
  ): StandardScaler {
    checkOptions('StandardScaler.fit', options, ['clip', 'names', 'mirror']);
    const rows = rowCount(values, columns);
    checkRange(range, rows);
    const count = range.end - range.start;
    if (count === 0)
      throw new FlashbookError(
        'DATA',
        `expected rows to fit a scaler on but the range ${range.start} to ${range.end} is empty`,
      );
    requireFinite(values, columns, range, options.names);
    const mean = new Float64Array(columns);
    const variance = new Float64Array(columns);
    for (let i = range.start, at = i * columns; i < range.end; i++) {
      for (let c = 0; c < columns; c++, at++) mean[c] += values[at];
    }
    for (let c = 0; c < columns; c++) mean[c] /= count;
    const { mirror } = options;
    if (mirror !== undefined) {
      const own = mean.slice();
      if (mirror.from.length !== columns)
        throw invalid('mirror', `that of ${columns} columns`, mirror.from.length, 'SHAPE');
      for (let c = 0; c < columns; c++) mean[c] = (own[c] + mirror.sign[c] * own[mirror.from[c]]) / 2;
    }
    for (let i = range.start, at = i * columns; i < range.end; i++) {
      for (let c = 0; c < columns; c++, at++) variance[c] += (values[at] - mean[c]) ** 2;
    }
    if (mirror !== undefined) {
      const sums = variance.slice();
      for (let c = 0; c < columns; c++) variance[c] = (sums[c] + sums[mirror.from[c]]) / 2;
    }
    const inverseStd = Float32Array.from(variance, (sum, c) => {
      const std = Math.sqrt(sum / count);
      return std > 1e-7 * Math.abs(mean[c]) && std > 1e-30 ? 1 / std : 0;
    });
    return new StandardScaler(Float32Array.from(mean), inverseStd, options.clip);
  }

  /** Scales rows of columns; into `out` where it is given (it may be `values` itself), else into a new array. */
  transform(values: Float32Array, out: Float32Array = new Float32Array(values.length)): Float32Array {
    const { mean, inverseStd, clip } = this;
    const columns = mean.length;
    rowCount(values, columns);
    if (out.length !== values.length) throw invalid('out', `${values.length} elements`, out, 'SHAPE');
    const limit = Math.fround(clip);
    for (let at = 0; at < values.length; ) {
      for (let c = 0; c < columns; c++, at++) {
        const scaled = Math.fround(Math.fround(values[at] - mean[c]) * inverseStd[c]);
        out[at] = Math.min(Math.max(scaled, -limit), limit);
      }
    }
    return out;
  }
}

/** How many rows of `columns` there are. @throws FlashbookError `SHAPE` where they do not divide */
export function rowCount(values: Float32Array, columns: number): number {
  integer('columns', columns, 1);
  if (!(values instanceof Float32Array) || values.length % columns !== 0) {
    throw invalid('values', `a Float32Array of rows of ${columns} columns`, values, 'SHAPE');
  }
  return values.length / columns;
}

/** @throws FlashbookError `NUMERIC` naming row, column and value of the first that is NaN or infinite */
export function requireFinite(values: Float32Array, columns: number, range: RowRange, names?: readonly string[]): void {
  for (let at = range.start * columns; at < range.end * columns; at++) {
    if (Number.isFinite(values[at])) continue;
    const row = Math.floor(at / columns);
    const column = at % columns;
    const name = names?.[column];
    throw new FlashbookError(
      'NUMERIC',
      `expected finite features but row ${row}, column ${column}${name === undefined ? '' : ` (${name})`} is ${values[at]}`,
      { row, column, name, value: values[at] },
    );
  }
}
