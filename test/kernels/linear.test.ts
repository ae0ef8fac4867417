import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import type { Precision } from '../../src/graph/index.js';
import {
  type Activation,
  activate,
  dotBound,
  firstOutside,
  normals,
  product,
  ROUNDOFF,
  rounded,
  SETS_AND_PRECISIONS,
} from './matrix.js';
import { runStep, type StepCall, type StepOptions, sameBits } from './one-step.js';

interface Layer {
  m: number;
  n: number;
  k: number;
  x: Float32Array;
  w: Float32Array;
  bias?: Float32Array;
  residual?: Float32Array;
  activation: Activation;
  precision: Precision;
}

interface Variant {
  activation?: Activation;
  bias?: boolean;
  residual?: boolean;
  precision?: Precision;
}

function layer(m: number, n: number, k: number, variant: Variant = {}): Layer {
  const random = new Random(m * 1_000_003 + n * 1009 + k);
  return {
    m,
    n,
    k,
    x: normals(random, m * k),
    w: normals(random, n * k),
    bias: variant.bias ? normals(random, n) : undefined,
    residual: variant.residual ? normals(random, m * n) : undefined,
    activation: variant.activation ?? 'none',
    precision: variant.precision ?? 'f32',
  };
}

function callOf({ m, n, k, x, w, bias, residual, activation, precision }: Layer): StepCall {
  return {
    kernel: 'linear',
    inputs: [
      { shape: [m, k], data: x },
      { shape: [n, k], data: w, state: true },
      bias ? { shape: [n], data: bias, state: true } : null,
      residual ? { shape: [m, n], data: residual } : null,
    ],
    outputs: [{ shape: [m, n] }],
    attrs: { activation, precision },
  };
}

const run = (l: Layer, options: StepOptions): Float32Array => runStep(callOf(l), options)[0] as Float32Array;

function complaint(l: Layer, options: StepOptions): string | undefined {
  const { value, magnitude } = product(
    rounded(l.x, l.precision),
    rounded(l.w, l.precision),
    l.m,
    l.n,
    l.k,
    false,
    true,
  );
  const bounds = new Float64Array(value.length);
  const want = value.map((sum, i) => {
    const bias = l.bias?.[i % l.n] ?? 0;
    const residual = l.residual?.[i] ?? 0;
    const y = activate(sum + bias, l.activation);
    bounds[i] =
      1.13 * (dotBound(l.k, magnitude[i]) + ROUNDOFF * Math.abs(sum + bias)) +
      12 * ROUNDOFF * (Math.abs(y) + Math.abs(residual));
    return y + residual;
  });
  return firstOutside(run(l, options), want, (i) => bounds[i]);
}

describe.each(SETS_AND_PRECISIONS)('linear on $isa in $precision', ({ isa, precision }) => {
  it('agrees with float64 for every size from 1 to 67 in each dimension', () => {
    const random = new Random(1);
    for (let size = 1; size <= 67; size++) {
      for (const [m, n, k] of [
        [size, 1 + random.below(67), 1 + random.below(67)],
        [1 + random.below(67), size, 1 + random.below(67)],
        [1 + random.below(67), 1 + random.below(67), size],
      ]) {
        const l = layer(m, n, k, { bias: size % 2 === 0, residual: size % 3 === 0, precision });
        expect(complaint(l, { isa, frozen: size % 2 === 1 }), `${m}×${n}×${k}`).toBeUndefined();
      }
    }
  });

  it.each([
    [14, 32, 256],
    [15, 33, 257],
    [13, 31, 255],
    [28, 64, 512],
    [29, 95, 513],
    [1, 1, 1],
    [1, 700, 300],
    [300, 1, 700],
    [2, 545, 1024],
    [100, 513, 8],
    [170, 65, 1024],
    [129, 48, 600],
  ])('agrees at tile and chunk borders: %i×%i×%i', (m, n, k) => {
    for (const frozen of [false, true]) {
      expect(complaint(layer(m, n, k, { bias: true, precision }), { isa, frozen }), `frozen ${frozen}`).toBeUndefined();
    }
  });

  it.each(['none', 'relu', 'gelu'] as const)('fuses bias, %s and residual', (activation) => {
    for (const bias of [false, true]) {
      for (const residual of [false, true]) {
        const l = layer(33, 45, 300, { activation, bias, residual, precision });
        expect(complaint(l, { isa }), `bias ${bias}, residual ${residual}`).toBeUndefined();
      }
    }
  });

  it('gives the same bits for any number of threads, frozen or not, and for rows computed apart', () => {
    for (const [m, n, k] of [
      [203, 160, 300],
      [450, 129, 260],
      [5, 1030, 520],
      [64, 64, 128],
    ]) {
      const l = layer(m, n, k, { activation: 'gelu', bias: true, residual: true, precision });
      const one = run(l, { isa, threads: 1 });
      expect(sameBits(run(l, { isa, threads: 2 }), one), 'two threads').toBe(true);
      expect(sameBits(run(l, { isa, threads: 5 }), one), 'five threads').toBe(true);
      expect(sameBits(run(l, { isa, threads: 2, frozen: true }), one), 'frozen').toBe(true);
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

  it('lets NaN and infinity through to their row, their column and nowhere else', () => {
    for (const activation of ['none', 'relu', 'gelu'] as const) {
      const l = layer(37, 35, 40, { activation, bias: true, precision });
      l.x[5 * 40 + 7] = Number.NaN;
      l.x[20 * 40 + 39] = Number.POSITIVE_INFINITY;
      l.w[33 * 40 + 1] = Number.NaN;
      l.w[3 * 40 + 2] = Number.NEGATIVE_INFINITY;
      if (l.bias) l.bias[34] = Number.NaN;
      expect(complaint(l, { isa }), activation).toBeUndefined();
    }
  });
});

describe('linear', () => {
  it('keeps leading dimensions', () => {
    const l = layer(6, 5, 4);
    const call = callOf(l);
    call.inputs[0] = { shape: [2, 3, 4], data: l.x };
    call.outputs[0].shape = [2, 3, 5];
    expect(runStep(call)[0]).toEqual(run(l, {}));
  });

  it('names the operand that is wrong', () => {
    const wrong = (change: (call: StepCall) => void): (() => unknown) => {
      const call = callOf(layer(6, 5, 4, { bias: true, residual: true }));
      change(call);
      return () => runStep(call);
    };
    expect(wrong((c) => Object.assign(c.inputs[0] as object, { shape: [8, 3] }))).toThrow(
      /expected f32 \(…, 4\) for x but received f32 \(8, 3\)/,
    );
    expect(wrong((c) => Object.assign(c.inputs[2] as object, { shape: [5, 1] }))).toThrow(
      /expected f32 \(5\) for bias/,
    );
    expect(wrong((c) => Object.assign(c.inputs[3] as object, { shape: [5, 6] }))).toThrow(/for residual/);
    expect(wrong((c) => Object.assign(c.outputs[0], { shape: [5, 6] }))).toThrow(/expected f32 \(6, 5\) for y/);
    expect(wrong((c) => Object.assign(c, { attrs: { activation: 'tanh' } }))).toThrow(/activation but received 'tanh'/);
    expect(wrong((c) => Object.assign(c, { attrs: { precision: 'f16' } }))).toThrow(/precision but received 'f16'/);
    expect(wrong((c) => c.inputs.push(null))).toThrow(/expected 2 to 4 inputs but received 5/);
  });
});
