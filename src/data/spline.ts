import { multiplySplines as multiplyNativeSplines, nativeAvailable } from '../native/index.js';

/**
 * Natural cubic splines through values at evenly spaced knots, the first at the beginning and the last at the end of `out`: second
 * derivatives by the tridiagonal system of de Boor 1978, "A Practical Guide to Splines", chapter IV, with zeros at the ends.
 *
 * @param values (knots, columns): one curve a column
 * @param out (rows, columns)
 */
export function cubicSplines(values: Float32Array, columns: number, out: Float32Array): void {
  const n = values.length / columns - 1;
  const rows = out.length / columns;
  const bends = secondDerivatives(values, columns);
  for (let t = 0; t < rows; t++) {
    const at = rows === 1 ? n : (t * n) / (rows - 1);
    const i = Math.max(0, Math.min(n - 1, Math.floor(at)));
    const b = at - i;
    const a = 1 - b;
    const bendA = (a * a * a - a) / 6;
    const bendB = (b * b * b - b) / 6;
    const left = i * columns;
    const right = Math.min(i + 1, n) * columns;
    const row = t * columns;
    for (let c = 0; c < columns; c++) {
      out[row + c] = a * values[left + c] + b * values[right + c] + bendA * bends[left + c] + bendB * bends[right + c];
    }
  }
}

/** values (rows, columns) *= the splines through knots (2 or more, columns); in native code where there is any, to float32's rounding. */
export function multiplySplines(
  values: Float32Array,
  columns: number,
  knots: Float32Array,
  scratch: Float32Array,
): void {
  if (nativeAvailable()) {
    multiplyNativeSplines(values, columns, knots);
    return;
  }
  cubicSplines(knots, columns, scratch);
  for (let i = 0; i < values.length; i++) values[i] *= scratch[i];
}

/** m[i−1] + 4 m[i] + m[i+1] = 6 (y[i−1] − 2 y[i] + y[i+1]) for knots at distance 1: one sweep down, one up, all columns at once. */
function secondDerivatives(y: Float32Array, columns: number): Float64Array {
  const m = new Float64Array(y.length);
  const knots = y.length / columns;
  const ratio = new Float64Array(knots);
  for (let i = 1; i < knots - 1; i++) {
    ratio[i] = 1 / (4 - ratio[i - 1]);
    for (let at = i * columns, end = at + columns; at < end; at++) {
      m[at] = (6 * (y[at - columns] - 2 * y[at] + y[at + columns]) - m[at - columns]) * ratio[i];
    }
  }
  for (let i = knots - 2; i > 0; i--) {
    for (let at = i * columns, end = at + columns; at < end; at++) m[at] -= ratio[i] * m[at + columns];
  }
  return m;
}
