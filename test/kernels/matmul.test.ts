import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import type { Precision } from '../../src/graph/index.js';
import { dotBound, firstOutside, normals, product, rounded, SETS_AND_PRECISIONS } from './matrix.js';
import { runStep, type StepCall, type StepOptions, sameBits } from './one-step.js';

const CASES = [
  { transA: false, transB: false },
  { transA: false, transB: true },
  { transA: true, transB: false },
  { transA: true, transB: true },
];

interface Matrices {
  m: number;
  n: number;
  k: number;
  a: Float32Array;
  b: Float32Array;
  precision: Precision;
}

function matrices(m: number, n: number, k: number, precision: Precision = 'f32'): Matrices {
  const random = new Random(m * 1_000_003 + n * 1009 + k);
  return { m, n, k, a: normals(random, m * k), b: normals(random, k * n), precision };
}

function callOf({ m, n, k, a, b, precision }: Matrices, transA: boolean, transB: boolean, state = false): StepCall {
  return {
    kernel: 'matmul',
    inputs: [
      { shape: transA ? [k, m] : [m, k], data: a },
      { shape: transB ? [n, k] : [k, n], data: b, state },
    ],
    outputs: [{ shape: [m, n] }],
    attrs: { transA, transB, precision },
  };
}

function complaint(
  x: Matrices,
  transA: boolean,
  transB: boolean,
  options: StepOptions,
  state = false,
): string | undefined {
  const { value, magnitude } = product(
    rounded(x.a, x.precision),
    rounded(x.b, x.precision),
    x.m,
    x.n,
    x.k,
    transA,
    transB,
  );
  const got = runStep(callOf(x, transA, transB, state), options)[0];
  return firstOutside(got, value, (i) => dotBound(x.k, magnitude[i]));
}

describe.each(SETS_AND_PRECISIONS)('matmul on $isa in $precision', ({ isa, precision }) => {
  it.each(CASES)('agrees with float64 over ragged sizes: transA $transA, transB $transB', ({ transA, transB }) => {
    const random = new Random(2);
    for (let size = 1; size <= 67; size++) {
      for (const [m, n, k] of [
        [size, 1 + random.below(67), 1 + random.below(67)],
        [1 + random.below(67), size, 1 + random.below(67)],
        [1 + random.below(67), 1 + random.below(67), size],
      ]) {
        expect(complaint(matrices(m, n, k, precision), transA, transB, { isa }), `${m}×${n}×${k}`).toBeUndefined();
      }
    }
  });

  it.each(CASES)('agrees across chunks of k and blocks: transA $transA, transB $transB', ({ transA, transB }) => {
    for (const [m, n, k] of [
      [29, 35, 1030],
      [130, 40, 512],
      [14, 600, 64],
      [600, 14, 300],
      [260, 33, 257],
      [1, 64, 300],
      [64, 1, 300],
      [40, 33, 2500], // weight gradients of such length are cut in k
    ]) {
      expect(
        complaint(matrices(m, n, k, precision), transA, transB, { isa, threads: 2 }),
        `${m}×${n}×${k}`,
      ).toBeUndefined();
      expect(
        complaint(matrices(m, n, k, precision), transA, transB, { isa, frozen: true }, true),
        `${m}×${n}×${k} frozen`,
      ).toBeUndefined();
    }
  });

  it.each(CASES)(
    'gives the same bits for any number of threads: transA $transA, transB $transB',
    ({ transA, transB }) => {
      for (const [m, n, k] of [
        [250, 130, 700],
        [128, 128, 2048],
        [65, 70, 2049],
        [33, 40, 6407],
        [33, 1100, 300],
        [1100, 33, 300],
      ]) {
        const call = callOf(matrices(m, n, k, precision), transA, transB);
        const [one] = runStep(call, { isa, threads: 1 });
        for (const threads of [2, 3, 8]) {
          expect(sameBits(runStep(call, { isa, threads })[0], one), `${m}×${n}×${k}, ${threads} threads`).toBe(true);
        }
      }
    },
  );

  it.each(CASES)(
    'lets NaN and infinity through and no further: transA $transA, transB $transB',
    ({ transA, transB }) => {
      const x = matrices(30, 36, 33, precision);
      x.a[17] = Number.NaN;
      x.a[600] = Number.NEGATIVE_INFINITY;
      x.b[35] = Number.POSITIVE_INFINITY;
      x.b[700] = Number.NaN;
      expect(complaint(x, transA, transB, { isa })).toBeUndefined();
    },
  );
});

describe.each(SETS_AND_PRECISIONS)('matmul with factor and residual on $isa in $precision', ({ isa, precision }) => {
  it.each(CASES)('has the bits of mul and add afterwards: transA $transA, transB $transB', ({ transA, transB }) => {
    for (const [m, n, k] of [
      [1, 1, 1],
      [15, 33, 20],
      [29, 35, 1030],
      [67, 96, 130],
      [130, 257, 64],
    ]) {
      const shape = [m, n];
      const x = matrices(m, n, k, precision);
      const random = new Random(m);
      const [factor, residual] = [0, 1].map(() => ({ shape, data: normals(random, m * n) }));
      factor.data[0] = Number.NaN;
      const call = callOf(x, transA, transB);
      const on = { isa, threads: 2 };
      const step = (kernel: string, data: Float32Array, other: typeof factor) =>
        runStep({ kernel, inputs: [{ shape, data }, other], outputs: [{ shape }] }, on)[0] as Float32Array;
      const fused = (...extra: StepCall['inputs']) => runStep({ ...call, inputs: [...call.inputs, ...extra] }, on)[0];
      const [plain] = runStep(call, on) as Float32Array[];
      const scaled = step('mul', plain, factor);
      expect(sameBits(fused(factor), scaled), `${m}×${n}×${k} factor`).toBe(true);
      expect(sameBits(fused(null, residual), step('add', plain, residual)), `${m}×${n}×${k} residual`).toBe(true);
      expect(sameBits(fused(factor, residual), step('add', scaled, residual)), `${m}×${n}×${k} both`).toBe(true);
    }
  });
});

describe('matmul', () => {
  it.each(['f32', 'bf16'] as const)(
    'transposing operands in memory or by attribute is the same to the bit: %s',
    (precision) => {
      const x = matrices(45, 50, 300, precision);
      const at = Float32Array.from(x.a, (_, i) => x.a[(i % x.m) * x.k + Math.floor(i / x.m)]);
      const bt = Float32Array.from(x.b, (_, i) => x.b[(i % x.k) * x.n + Math.floor(i / x.k)]);
      const [plain] = runStep(callOf(x, false, false));
      expect(sameBits(runStep(callOf({ ...x, a: at }, true, false))[0], plain)).toBe(true);
      expect(sameBits(runStep(callOf({ ...x, b: bt }, false, true))[0], plain)).toBe(true);
      expect(sameBits(runStep(callOf({ ...x, a: at, b: bt }, true, true))[0], plain)).toBe(true);
    },
  );

  it('keeps leading dimensions of a and folds those of b', () => {
    const x = matrices(6, 5, 4);
    const call = callOf(x, false, false);
    call.inputs[0] = { shape: [3, 2, 4], data: x.a };
    call.inputs[1] = { shape: [2, 2, 5], data: x.b };
    call.outputs[0].shape = [3, 2, 5];
    expect(runStep(call)[0]).toEqual(runStep(callOf(x, false, false))[0]);
  });

  it('refuses inner dimensions that differ', () => {
    const call = callOf(matrices(6, 5, 4), false, false);
    call.inputs[1] = { shape: [5, 4], data: new Float32Array(20) };
    expect(() => runStep(call)).toThrow(
      /inner dimensions of a \(6, 4\) and b \(5, 4\) to be equal but received 4 and 5/,
    );
  });
});
