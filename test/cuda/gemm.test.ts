import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { runtimeInfo } from '../../src/native/index.js';
import { type Activation, activate, dotBound, normals, product, ROUNDOFF } from '../kernels/matrix.js';
import { runStep, sameBits } from '../kernels/one-step.js';
import { buildDriver, KernelScript, launches, traffic } from './driver.js';
import { type Precision, ROUND } from './rounding.js';
import { unavailable } from './simulator.js';

interface Case {
  m: number;
  n: number;
  k: number;
  transA?: boolean;
  transB?: boolean;
  precision: Precision;
  activation?: Activation;
  bias?: boolean;
  factor?: boolean;
  residual?: boolean;
  packed?: boolean;
}

const name = (c: Case) =>
  `${c.precision} ${c.m}×${c.n}×${c.k}${c.transA ? ' aᵀ' : ''}${c.transB ? ' bᵀ' : ''} ${c.activation ?? 'none'}`;

interface Operands {
  a: Float32Array;
  b: Float32Array;
  bias?: Float32Array;
  factor?: Float32Array;
  residual?: Float32Array;
}

function operands(c: Case, seed: number): Operands {
  const random = new Random(seed * 7919 + c.m * 31 + c.n * 17 + c.k);
  return {
    a: normals(random, c.m * c.k),
    b: normals(random, c.k * c.n),
    bias: c.bias ? normals(random, c.n) : undefined,
    factor: c.factor ? normals(random, c.m * c.n) : undefined,
    residual: c.residual ? normals(random, c.m * c.n) : undefined,
  };
}

function add(script: KernelScript, c: Case, o: Operands): Float32Array {
  const result = new Float32Array(c.m * c.n);
  const out = script.alloc(result.byteLength);
  script.call('gemm', {
    m: c.m,
    n: c.n,
    k: c.k,
    transA: c.transA ? 1 : 0,
    transB: c.transB ? 1 : 0,
    precision: c.precision,
    activation: c.activation ?? 'none',
    packed: c.packed ? 1 : 0,
    a: script.load(o.a),
    b: script.load(o.b),
    bias: o.bias && script.load(o.bias),
    factor: o.factor && script.load(o.factor),
    residual: o.residual && script.load(o.residual),
    c: out,
  });
  script.save(out, result);
  return result;
}

/** The product of the rounded operands in float64, and the bound of a float32 summation in any order. */
function definition(c: Case, o: Operands) {
  const round = ROUND[c.precision];
  const { value, magnitude } = product(o.a.map(round), o.b.map(round), c.m, c.n, c.k, c.transA, c.transB);
  const bound = new Float64Array(value.length);
  for (let i = 0; i < value.length; i++) {
    const z = value[i] + (o.bias?.[i % c.n] ?? 0);
    const factor = o.factor?.[i] ?? 1;
    const y = activate(z, c.activation ?? 'none') * factor;
    value[i] = y + (o.residual?.[i] ?? 0);
    bound[i] =
      Math.max(1, Math.abs(factor)) * (1.2 * dotBound(c.k, magnitude[i]) + 6 * ROUNDOFF * Math.abs(z)) +
      ROUNDOFF * (12 * Math.abs(y) + 2 * Math.abs(value[i]));
  }
  return { value, bound };
}

function compare(c: Case, got: Float32Array, { value, bound }: { value: Float64Array; bound: Float64Array }) {
  for (let i = 0; i < value.length; i++) {
    if (!(Math.abs(got[i] - value[i]) <= bound[i])) {
      throw new Error(`${name(c)} [${i}]: expected ${value[i]} ± ${bound[i]} but received ${got[i]}`);
    }
  }
}

const precisions: Precision[] = ['f32', 'bf16', 'f16', 'tf32'];
const sizes: [m: number, n: number, k: number][] = [
  [1, 1, 1],
  [5, 3, 7],
  [64, 64, 32],
  [65, 67, 33],
  [63, 130, 100],
  [17, 40, 129],
  [130, 9, 66],
];
const epilogues: Partial<Case>[] = [
  {},
  { bias: true, activation: 'gelu' },
  { bias: true, activation: 'relu', residual: true },
  { factor: true, residual: true, packed: true },
];

describe.skipIf(unavailable !== undefined)('CUDA gemm', () => {
  beforeAll(buildDriver, 900_000);

  it.each(precisions)(
    'is the definition in %s: ragged sizes, every order of the operands, every epilogue',
    (precision) => {
      for (const seed of [1, 2]) {
        const script = new KernelScript();
        const checks: (() => void)[] = [];
        sizes.forEach(([m, n, k], i) => {
          [false, true].forEach((transA, ta) => {
            [false, true].forEach((transB, tb) => {
              const c: Case = { m, n, k, transA, transB, precision, ...epilogues[(i + ta + 2 * tb + seed) % 4] };
              const o = operands(c, seed);
              const got = add(script, c, o);
              checks.push(() => compare(c, got, definition(c, o)));
            });
          });
        });
        const report = script.run(seed);
        for (const check of checks) check();
        expect(launches(report, precision === 'f32' ? 'gemm_f32' : 'gemm_tensor')).toBe(sizes.length * 4);
      }
    },
    300_000,
  );

  it.each(precisions)(
    'splits a long K in a fixed order, with and without a large tile, in %s',
    (precision) => {
      const script = new KernelScript();
      const cases: Case[] = [
        { m: 33, n: 20, k: 1900, transA: true, precision, bias: true, residual: true, activation: 'gelu' },
        { m: 64, n: 66, k: 1030, precision, factor: true },
      ];
      const pairs = cases.map((c) => ({ c, o: operands(c, 3) }));
      const first = pairs.map(({ c, o }) => add(script, c, o));
      const second = pairs.map(({ c, o }) => add(script, c, o));
      const report = script.run(5);
      pairs.forEach(({ c, o }, i) => {
        compare(c, first[i], definition(c, o));
        expect(sameBits(first[i], second[i])).toBe(true);
      });
      expect(launches(report, 'combine')).toBe(4);
    },
    300_000,
  );

  it('runs a large product in large tiles, ragged at both edges', () => {
    const script = new KernelScript();
    const c: Case = { m: 1000, n: 1100, k: 40, precision: 'bf16', transB: true, bias: true };
    const o = operands(c, 4);
    const got = add(script, c, o);
    const report = script.run();
    compare(c, got, definition(c, o));
    expect(Object.keys(report.kernels).some((kernel) => /gemm_tensor.*Li128E/.test(kernel))).toBe(true);
  }, 300_000);

  it('gives the bits of the CPU in f32', () => {
    const isa = runtimeInfo().available.find((set) => set.startsWith('avx'));
    if (isa === undefined) return;
    for (const [m, n, k, transA, transB] of [
      [20, 33, 100, false, true],
      [9, 130, 700, false, false],
      [40, 17, 1030, false, true],
      [130, 70, 100, true, true],
    ] as const) {
      const c: Case = { m, n, k, transA, transB, precision: 'f32' };
      const o = operands(c, 6);
      const script = new KernelScript();
      const got = add(script, c, o);
      script.run();
      const [want] = runStep(
        {
          kernel: 'matmul',
          inputs: [
            { shape: transA ? [k, m] : [m, k], data: o.a },
            { shape: transB ? [n, k] : [k, n], data: o.b },
          ],
          outputs: [{ shape: [m, n] }],
          attrs: { transA, transB },
        },
        { isa },
      );
      expect(sameBits(got, want), name(c)).toBe(true);
    }
  }, 300_000);

  it('propagates NaN and infinity to their rows and columns alone', () => {
    for (const precision of precisions) {
      const c: Case = { m: 20, n: 24, k: 40, precision };
      const o = operands(c, 7);
      o.a[3 * 40 + 5] = Number.NaN;
      o.a[7 * 40 + 39] = Number.POSITIVE_INFINITY;
      o.b[2 * 24 + 11] = Number.NaN;
      const script = new KernelScript();
      const got = add(script, c, o);
      script.run();
      got.forEach((value, i) => {
        const row = Math.floor(i / 24);
        expect(Number.isFinite(value), `${precision} ${row}, ${i % 24}`).toBe(row !== 3 && row !== 7 && i % 24 !== 11);
        if (row === 7 && i % 24 !== 11) expect(value).toBe(o.b[39 * 24 + (i % 24)] > 0 ? Infinity : -Infinity);
      });
    }
  }, 300_000);

  it.each(precisions)(
    'has no bank conflicts and reads whole sectors in %s',
    (precision) => {
      for (const c of [
        { m: 128, n: 128, k: 256, transB: true, precision },
        { m: 128, n: 128, k: 256, precision },
        { m: 128, n: 128, k: 256, transA: true, precision },
      ] as Case[]) {
        const script = new KernelScript();
        add(script, c, operands(c, 8));
        const { wavefronts, idealWavefronts, sectors, idealSectors } = traffic(script.run());
        expect(wavefronts, `${name(c)} wavefronts`).toBe(idealWavefronts);
        expect(sectors / idealSectors, `${name(c)} sectors`).toBeLessThanOrEqual(1.1);
      }
    },
    300_000,
  );
});
