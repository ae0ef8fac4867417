import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { type Isa, runtimeInfo } from '../../src/native/index.js';
import { type Activation, activate, firstOutside, normals, ROUNDOFF } from './matrix.js';
import { type Int8Layer, int8Operands, runStep, type StepCall, type StepOptions, sameBits } from './one-step.js';

interface Layer extends Int8Layer {
  x: Float32Array;
  activation: Activation;
}

function layer(
  m: number,
  n: number,
  k: number,
  variant: { activation?: Activation; bias?: boolean; residual?: boolean } = {},
): Layer {
  const random = new Random(m * 1_000_003 + n * 1009 + k);
  return {
    m,
    n,
    k,
    x: normals(random, m * k),
    wq: Int8Array.from({ length: n * k }, () => random.below(255) - 127),
    wscale: Float32Array.from({ length: n }, () => 0.001 + 0.01 * random.float()),
    bias: variant.bias ? normals(random, n) : undefined,
    residual: variant.residual ? normals(random, m * n) : undefined,
    activation: variant.activation ?? 'none',
  };
}

function callOf(l: Layer): StepCall {
  const { m, n, activation } = l;
  return {
    kernel: 'qlinear',
    inputs: int8Operands(l),
    outputs: [{ shape: [m, n] }],
    attrs: { activation },
  };
}

const run = (l: Layer, options: StepOptions): Float32Array => runStep(callOf(l), options)[0] as Float32Array;

const roundHalfEven = (x: number): number => {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
};

/** The quantisation of one row as its definition has it, in float32. */
function quantiseRow(x: Float32Array): { q: Int8Array; scale: number } {
  let amax = 0;
  for (const value of x) {
    if (!Number.isFinite(value)) return { q: new Int8Array(x.length), scale: Number.NaN };
    amax = Math.max(amax, Math.abs(value));
  }
  const inverse = Math.fround(127 / amax);
  if (!Number.isFinite(inverse)) return { q: new Int8Array(x.length), scale: 0 };
  const q = Int8Array.from(x, (value) => Math.max(-127, Math.min(127, roundHalfEven(Math.fround(value * inverse)))));
  return { q, scale: Math.fround(amax / 127) };
}

/** The layer in integers and float64, with bounds of the float32 epilogue. */
function reference(l: Layer): { value: Float64Array; bound: (i: number) => number } {
  const value = new Float64Array(l.m * l.n);
  const bounds = new Float64Array(l.m * l.n);
  for (let i = 0; i < l.m; i++) {
    const { q, scale } = quantiseRow(l.x.subarray(i * l.k, (i + 1) * l.k));
    for (let j = 0; j < l.n; j++) {
      let acc = 0;
      for (let k = 0; k < l.k; k++) acc += q[k] * l.wq[j * l.k + k];
      const product = acc * scale * l.wscale[j];
      const bias = l.bias?.[j] ?? 0;
      const residual = l.residual?.[i * l.n + j] ?? 0;
      const y = activate(product + bias, l.activation);
      value[i * l.n + j] = y + residual;
      bounds[i * l.n + j] =
        ROUNDOFF * (5 * Math.abs(product) + 3 * Math.abs(bias) + 12 * Math.abs(y) + 2 * Math.abs(residual));
    }
  }
  return { value, bound: (i) => bounds[i] };
}

function complaint(l: Layer, options: StepOptions): string | undefined {
  const { value, bound } = reference(l);
  return firstOutside(run(l, options), value, bound);
}

const sets = runtimeInfo().available;

describe.each(sets)('qlinear on %s', (isa) => {
  it('agrees with integers for every size from 1 to 67 in each dimension', () => {
    const random = new Random(3);
    for (let size = 1; size <= 67; size++) {
      for (const [m, n, k] of [
        [size, 1 + random.below(67), 1 + random.below(67)],
        [1 + random.below(67), size, 1 + random.below(67)],
        [1 + random.below(67), 1 + random.below(67), size],
      ]) {
        const l = layer(m, n, k, { bias: size % 2 === 0, residual: size % 3 === 0 });
        expect(complaint(l, { isa, frozen: size % 2 === 1 }), `${m}×${n}×${k}`).toBeUndefined();
      }
    }
  });

  it('is exact where every product is the largest and sums reach 2³¹', () => {
    for (const [m, n, k] of [
      [3, 5, 4],
      [15, 33, 1027],
      [2, 3, 70_001],
      [1, 2, 132_104],
    ]) {
      const l = layer(m, n, k);
      l.x.fill(-3);
      l.wscale.fill(1);
      for (const weight of [127, -127, -128]) {
        l.wq.fill(weight);
        const acc = Math.fround(-127 * weight * k);
        const want = Math.fround(acc * Math.fround(3 / 127));
        expect(new Set(run(l, { isa, frozen: true })), `${m}×${n}×${k}, ${weight}`).toEqual(new Set([want]));
      }
    }
  });

  it('is exact where neighbours cancel', () => {
    const l = layer(15, 33, 1000);
    l.x.forEach((_, i) => {
      l.x[i] = i % 2 ? 1 : -1;
    });
    l.wscale.fill(127);
    l.wq.fill(127);
    l.wq.forEach((_, i) => {
      if (i % 1000 === 999) l.wq[i] = 126;
    });
    expect(new Set(run(l, { isa }))).toEqual(new Set([Math.fround(-127 * Math.fround(Math.fround(1 / 127) * 127))]));
  });

  it.each(['none', 'relu', 'gelu'] as const)('fuses bias, %s and residual', (activation) => {
    for (const bias of [false, true]) {
      for (const residual of [false, true]) {
        const l = layer(33, 45, 300, { activation, bias, residual });
        expect(complaint(l, { isa, frozen: true }), `bias ${bias}, residual ${residual}`).toBeUndefined();
      }
    }
  });

  it('gives the same bits for any number of threads, frozen or not, and for rows computed apart', () => {
    for (const [m, n, k] of [
      [203, 160, 300],
      [5, 1030, 520],
      [100, 128, 1024],
    ]) {
      const l = layer(m, n, k, { activation: 'gelu', bias: true, residual: true });
      const one = run(l, { isa, threads: 1 });
      expect(sameBits(run(l, { isa, threads: 2 }), one), 'two threads').toBe(true);
      expect(sameBits(run(l, { isa, threads: 5, frozen: true }), one), 'five threads, frozen').toBe(true);
      for (const row of [0, 3, m - 1]) {
        const alone: Layer = {
          ...l,
          m: 1,
          x: l.x.slice(row * k, (row + 1) * k),
          residual: l.residual?.slice(row * n, (row + 1) * n),
        };
        expect(sameBits(run(alone, { isa, frozen: true }), one.slice(row * n, (row + 1) * n)), `row ${row} alone`).toBe(
          true,
        );
      }
    }
  });

  it('gathers the largest magnitude of each row of the result, and takes that of x for the scale', () => {
    for (const [m, n, k] of [
      [1, 1, 1],
      [17, 35, 40],
      [70, 1030, 130],
      [33, 16, 64],
    ]) {
      for (const activation of ['none', 'gelu'] as const) {
        const l = layer(m, n, k, { activation, bias: true, residual: true });
        if (m > 16) {
          l.x[3 * k + k - 1] = Number.NaN;
          l.residual![5 * n + n - 1] = Number.NEGATIVE_INFINITY;
          l.residual![6 * n] = -1e30;
        }
        const peaksOf = (x: Float32Array, columns: number) =>
          Float32Array.from({ length: m }, (_, i) => {
            return Math.max(...x.subarray(i * columns, (i + 1) * columns).map(Math.abs));
          });
        const y = run(l, { isa });
        const call = callOf(l);
        call.inputs.push({ shape: [m], data: peaksOf(l.x, k) });
        call.outputs.push({ shape: [m] });
        call.attrs = { activation, peaks: true };
        for (const options of [{ threads: 1 }, { threads: 2, frozen: true }, { threads: 5 }]) {
          const [same, peaks] = runStep(call, { isa, ...options });
          expect(sameBits(same, y), `y of ${m}×${n}×${k}, ${activation}, ${options.threads} threads`).toBe(true);
          expect([...peaks], `peaks of ${m}×${n}×${k}, ${activation}`).toEqual([...peaksOf(y, n)]);
        }
      }
    }
  });

  it('makes a row with NaN or infinity NaN, a row of zeros zero, and leaves the others', () => {
    for (const activation of ['none', 'relu', 'gelu'] as const) {
      const l = layer(17, 35, 40, { activation, bias: true });
      l.x[2 * 40 + 39] = Number.NaN;
      l.x[5 * 40] = Number.POSITIVE_INFINITY;
      l.x[16 * 40 + 3] = Number.NEGATIVE_INFINITY;
      l.x.fill(0, 7 * 40, 8 * 40);
      l.x.fill(-0, 8 * 40, 9 * 40);
      l.x.fill(1e-40, 9 * 40, 10 * 40);
      expect(complaint(l, { isa }), activation).toBeUndefined();
    }
  });
});

describe('qlinear', () => {
  const bits = (l: Layer, isa: Isa): Float32Array => run(l, { isa, frozen: true });

  it('gives the same bits on every instruction set', () => {
    for (const activation of ['none', 'relu', 'gelu'] as const) {
      for (const [m, n, k] of [
        [31, 67, 129],
        [14, 96, 1024],
        [1, 3, 32],
      ]) {
        const l = layer(m, n, k, { activation, bias: true, residual: true });
        for (const isa of sets) expect(sameBits(bits(l, isa), bits(l, 'scalar')), `${isa}, ${m}×${n}×${k}`).toBe(true);
      }
    }
  });

  it('refuses what would overflow', () => {
    expect(() => run(layer(1, 1, 132_105), {})).toThrow(/at most 132104 columns for wq but received 132105/);
  });
});

describe.each(sets)('quantise_rows on %s', (isa) => {
  const quantise = (x: Float32Array, rows: number): { q: Int8Array; scale: Float32Array } => {
    const k = x.length / rows;
    const call = {
      kernel: 'quantise_rows',
      inputs: [{ shape: [rows, k], data: x }],
      outputs: [{ shape: [rows, k], dtype: 'i8' as const }, { shape: [rows] }],
    };
    const [q, scale] = runStep(call, { isa });
    return { q: q as Int8Array, scale: scale as Float32Array };
  };

  it('is its definition to the bit', () => {
    const random = new Random(4);
    for (let k = 1; k <= 67; k++) {
      const x = normals(random, 3 * k, 10 ** (random.below(60) - 30));
      const got = quantise(x, 3);
      for (let row = 0; row < 3; row++) {
        const want = quantiseRow(x.subarray(row * k, (row + 1) * k));
        expect(Object.is(got.scale[row], want.scale), `scale, k ${k}`).toBe(true);
        expect(sameBits(got.q.slice(row * k, (row + 1) * k), want.q), `q, k ${k}`).toBe(true);
      }
    }
  });

  it('rounds halves to even', () => {
    const x = Float32Array.from({ length: 255 }, (_, i) => i - 127 + 0.5);
    x[254] = 127;
    const { q, scale } = quantise(x, 1);
    expect(scale[0]).toBe(1);
    expect([...q.slice(126, 131)]).toEqual([0, 0, 2, 2, 4]);
    expect(sameBits(q, quantiseRow(x).q)).toBe(true);
  });

  it('survives the ends of the range', () => {
    for (const value of [3.4028234663852886e38, 1e-38, 1e-45, 3.8e-37, 3.7e-37, 0]) {
      const x = Float32Array.of(value, -value, value / 2);
      const want = quantiseRow(x);
      const got = quantise(x, 1);
      expect(sameBits(got.q, want.q), `${value}`).toBe(true);
      expect(got.scale[0], `${value}`).toBe(want.scale);
    }
  });
});
