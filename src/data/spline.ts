/**
 * The natural cubic spline through values at evenly spaced knots, the first at the beginning and the last at the end of `out`:
 * second derivatives by the tridiagonal system of de Boor 1978, "A Practical Guide to Splines", chapter IV, with zeros at the ends.
 */
export function cubicSpline(values: Float64Array, out: Float32Array): void {
  const n = values.length - 1;
  if (n < 1) {
    out.fill(values[0] ?? 0);
    return;
  }
  // m[i−1] + 4 m[i] + m[i+1] = 6 (y[i−1] − 2 y[i] + y[i+1]) for knots at distance 1: one sweep down, one up.
  const m = new Float64Array(n + 1);
  const ratio = new Float64Array(n + 1);
  for (let i = 1; i < n; i++) {
    const pivot = 4 - ratio[i - 1];
    ratio[i] = 1 / pivot;
    m[i] = (6 * (values[i - 1] - 2 * values[i] + values[i + 1]) - m[i - 1]) / pivot;
  }
  for (let i = n - 1; i > 0; i--) m[i] -= ratio[i] * m[i + 1];
  const last = out.length - 1;
  for (let t = 0; t <= last; t++) {
    const at = last === 0 ? n : (t * n) / last;
    const i = Math.min(n - 1, Math.floor(at));
    const b = at - i;
    const a = 1 - b;
    out[t] = a * values[i] + b * values[i + 1] + ((a ** 3 - a) * m[i] + (b ** 3 - b) * m[i + 1]) / 6;
  }
}
