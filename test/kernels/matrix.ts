import type { Random } from '../../src/core/random.js';
import { type Precision, roundBf16 } from '../../src/graph/index.js';
import { type Isa, runtimeInfo } from '../../src/native/index.js';

export type Activation = 'none' | 'relu' | 'gelu';

/** Every instruction set with every precision of the operands. */
export const SETS_AND_PRECISIONS: { isa: Isa; precision: Precision }[] = runtimeInfo().available.flatMap((isa) =>
  (['f32', 'bf16'] as const).map((precision) => ({ isa, precision })),
);

/** An operand as the kernel multiplies it. */
export const rounded = (x: Float32Array, precision: Precision): Float32Array =>
  precision === 'bf16' ? x.map(roundBf16) : x;

export function normals(random: Random, count: number, scale = 1): Float32Array {
  return Float32Array.from({ length: count }, () => random.normal() * scale);
}

/** Φ(x) in float64: the Taylor series of erf near zero, the continued fraction of erfc in the tails (Abramowitz & Stegun 7.1.5, 7.1.14). */
export function normalCdf(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  const z = Math.abs(x) / Math.SQRT2;
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum) && n < 200; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    const half = sum / Math.sqrt(Math.PI);
    return x < 0 ? 0.5 - half : 0.5 + half;
  }
  let fraction = 0;
  for (let n = 200; n >= 1; n--) fraction = n / 2 / (z + fraction);
  const tail = Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction)) / 2;
  return x < 0 ? tail : 1 - tail;
}

export function activate(x: number, activation: Activation): number {
  if (activation === 'relu') return x > 0 || Number.isNaN(x) ? x : 0;
  return activation === 'gelu' ? x * normalCdf(x) : x;
}

/** op(a)·op(b) in float64 and, for bounds, the sums of magnitudes. */
export function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  m: number,
  n: number,
  k: number,
  transA = false,
  transB = false,
): { value: Float64Array; magnitude: Float64Array } {
  const value = new Float64Array(m * n);
  const magnitude = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      let size = 0;
      for (let l = 0; l < k; l++) {
        const term = a[transA ? l * m + i : i * k + l] * b[transB ? j * k + l : l * n + j];
        sum += term;
        size += Math.abs(term);
      }
      value[i * n + j] = sum;
      magnitude[i * n + j] = size;
    }
  }
  return { value, magnitude };
}

/**
 * The first element of `got` that is not within its bound of `want`, as a sentence; undefined if there is none.
 * NaN and infinities must be equal.
 */
export function firstOutside(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  bound: (i: number) => number,
): string | undefined {
  if (got.length !== want.length) return `${got.length} elements instead of ${want.length}`;
  for (let i = 0; i < want.length; i++) {
    const same = Number.isFinite(want[i]) ? Math.abs(got[i] - want[i]) <= bound(i) : Object.is(got[i], want[i]);
    if (!same) return `element ${i} is ${got[i]} instead of ${want[i]} ± ${bound(i)}`;
  }
  return undefined;
}

/** Unit roundoff of float32. */
export const ROUNDOFF = 2 ** -24;

/**
 * Bound of a float32 dot product of length k in any order of summation, for random operands: rounding errors add like a random walk, so
 * √k and not k; a single wrong or missing product of a hundred lies far outside.
 */
export const dotBound = (k: number, magnitude: number): number => ROUNDOFF * (3 + 2 * Math.sqrt(k)) * magnitude;
