import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { Graph, interpret, qlinearStatic } from '../../src/graph/index.js';
import { type LevelScale, levelOf } from '../../src/graph/levels.js';
import { runtimeInfo, type TypedArray } from '../../src/native/index.js';
import { type Activation, activate, firstOutside, normals, ROUNDOFF } from './matrix.js';
import { type Int8Layer, int8Operands, runStep, type StepCall, type StepOptions, sameBits } from './one-step.js';

/** A product of activations with a fixed scale: float32 or levels in, float32 or levels out. */
interface Layer extends Int8Layer {
  activation: Activation;
  ofX: LevelScale;
  ofY?: LevelScale;
}

const FORMS = [
  { from: 'f32', to: 'f32' },
  { from: 'f32', to: 'u8' },
  { from: 'u8', to: 'f32' },
  { from: 'u8', to: 'u8' },
] as const;
type Form = (typeof FORMS)[number];

function layer(
  { from, to }: Form,
  [m, n, k]: readonly [number, number, number],
  variant: { activation?: Activation; bias?: boolean; residual?: boolean; zero?: number } = {},
): Layer {
  const random = new Random(m * 1_000_003 + n * 1009 + k);
  const { activation = 'none', zero = random.below(256) } = variant;
  const levels = Uint8Array.from({ length: m * k }, () => random.below(256));
  const scale = Math.fround(0.01 + 0.02 * random.float());
  return {
    m,
    n,
    k,
    x: from === 'u8' ? levels : Float32Array.from(levels, (u) => (u - zero) * scale * (1 + 0.3 * random.normal())),
    wq: Int8Array.from({ length: n * k }, () => random.below(256) - 128),
    wscale: Float32Array.from({ length: n }, () => 0.001 + 0.01 * random.float()),
    bias: variant.bias ? normals(random, n) : undefined,
    residual: variant.residual ? normals(random, m * n) : undefined,
    activation,
    ofX: { scale, zero },
    // About two in three results lie inside the range of the levels.
    ofY: to === 'u8' ? { scale: Math.fround((scale * Math.sqrt(k)) / 3), zero: random.below(256) } : undefined,
  };
}

function callOf(l: Layer): StepCall {
  const { m, n, activation, ofX, ofY } = l;
  return {
    kernel: 'qlinear_static',
    inputs: int8Operands(l),
    outputs: [{ shape: [m, n], dtype: ofY ? 'u8' : 'f32' }],
    attrs: {
      activation,
      xScale: ofX.scale,
      xZero: ofX.zero,
      ...(ofY && { yScale: ofY.scale, yZero: ofY.zero }),
    },
  };
}

const run = (l: Layer, options: StepOptions = {}): TypedArray => runStep(callOf(l), options)[0];

/** Exact sums of the levels less their zero, and the scale of each row. */
function sums(l: Layer): { acc: Float64Array; scale: Float64Array } {
  const acc = new Float64Array(l.m * l.n);
  const scale = new Float64Array(l.m);
  for (let i = 0; i < l.m; i++) {
    const row = l.x.subarray(i * l.k, (i + 1) * l.k);
    scale[i] = row.some(Number.isNaN) ? Number.NaN : l.ofX.scale;
    const q = Float64Array.from(row, (v) => (l.x instanceof Uint8Array ? v : levelOf(v, l.ofX)) - l.ofX.zero);
    for (let j = 0; j < l.n; j++) {
      for (let k = 0; k < l.k; k++) acc[i * l.n + j] += q[k] * l.wq[j * l.k + k];
    }
  }
  return { acc, scale };
}

/** What is wrong with the result, float32 against float64 or levels against those of the float64 result. */
function complaint(l: Layer, options: StepOptions): string | undefined {
  const { acc, scale } = sums(l);
  const value = new Float64Array(l.m * l.n);
  const bounds = new Float64Array(l.m * l.n);
  for (let at = 0; at < value.length; at++) {
    const product = acc[at] * scale[Math.floor(at / l.n)] * l.wscale[at % l.n];
    const bias = l.bias?.[at % l.n] ?? 0;
    const residual = l.residual?.[at] ?? 0;
    const y = activate(product + bias, l.activation);
    value[at] = y + residual;
    bounds[at] = ROUNDOFF * (5 * Math.abs(product) + 3 * Math.abs(bias) + 12 * Math.abs(y) + 2 * Math.abs(residual));
  }
  const received = run(l, options);
  const { ofY } = l;
  if (ofY === undefined) return firstOutside(received as Float32Array, value, (at) => bounds[at]);
  const coarse = l.activation === 'gelu' && ofY.scale >= 2 ** -10 ? 8.3e-5 : 0;
  for (let at = 0; at < value.length; at++) {
    const error = bounds[at] + coarse * (1 + Math.abs(value[at]) / 20);
    const [low, high] = [-1, 1].map((side) => levelOf(value[at] + side * error, ofY));
    if (received[at] < low || received[at] > high) return `[${at}]: level ${received[at]}, expected ${low} to ${high}`;
  }
  return undefined;
}

const sets = runtimeInfo().available;

describe.each(sets.flatMap((isa) => FORMS.map((form) => ({ isa, ...form }))))(
  'qlinear_static on $isa, $from to $to',
  ({ isa, ...form }) => {
    it('agrees with integers for every size from 1 to 67 in each dimension', () => {
      const random = new Random(3);
      for (let size = 1; size <= 67; size++) {
        for (const sizes of [
          [size, 1 + random.below(67), 1 + random.below(67)],
          [1 + random.below(67), size, 1 + random.below(67)],
          [1 + random.below(67), 1 + random.below(67), size],
        ] as const) {
          const l = layer(form, sizes, { bias: size % 2 === 0, residual: size % 3 === 0 });
          expect(complaint(l, { isa, frozen: size % 2 === 1 }), sizes.join('×')).toBeUndefined();
        }
      }
    });

    it.each(['none', 'relu', 'gelu'] as const)('fuses bias, %s and residual', (activation) => {
      for (const bias of [false, true]) {
        for (const residual of [false, true]) {
          for (const k of [300, 320]) {
            const l = layer(form, [33, 45, k], { activation, bias, residual });
            expect(complaint(l, { isa, frozen: true }), `bias ${bias}, residual ${residual}`).toBeUndefined();
          }
        }
      }
    });

    it('gives the bits of the plain kernels for any number of threads, frozen or not, and for rows computed apart', () => {
      for (const sizes of [
        [203, 160, 300],
        [5, 1030, 520],
        [100, 128, 1024],
        [33, 50, 4096],
      ] as const) {
        const l = layer(form, sizes, { activation: 'gelu', bias: true, residual: true });
        const [m, n, k] = sizes;
        const plain = run(l, { isa: 'scalar', threads: 1 });
        expect(sameBits(run(l, { isa, threads: 1 }), plain), 'one thread').toBe(true);
        expect(sameBits(run(l, { isa, threads: 2 }), plain), 'two threads').toBe(true);
        expect(sameBits(run(l, { isa, threads: 5, frozen: true }), plain), 'five threads, frozen').toBe(true);
        for (const row of [0, 3, m - 1]) {
          const alone = { ...l, m: 1, x: l.x.slice(row * k, (row + 1) * k) };
          alone.residual = l.residual?.slice(row * n, (row + 1) * n);
          expect(sameBits(run(alone, { isa, frozen: true }), plain.slice(row * n, (row + 1) * n)), `row ${row}`).toBe(
            true,
          );
        }
      }
    });
  },
);

describe.each(sets)('qlinear_static on %s', (isa) => {
  it('is exact where every product is the largest, whatever the zero point, and where sums reach 2³¹', () => {
    for (const sizes of [
      [3, 5, 4],
      [15, 33, 1027],
      [17, 16, 64],
      [1, 2, 65_793],
    ] as const) {
      for (const [level, zero] of [
        [255, 0],
        [0, 255],
        [255, 128],
        [0, 128],
        [255, 255],
      ]) {
        for (const weight of [127, -127, -128]) {
          const l = layer(FORMS[2], sizes, { zero });
          l.x.fill(level);
          l.wq.fill(weight);
          l.wscale.fill(1);
          const acc = Math.fround((level - zero) * weight * l.k);
          const what = `${sizes.join('×')}, level ${level} zero ${zero} weight ${weight}`;
          expect(new Set(run(l, { isa, frozen: true })), what).toEqual(new Set([Math.fround(acc * l.ofX.scale)]));
        }
      }
    }
  });

  it('does not saturate where pairs of products pass 2¹⁵', () => {
    const l = layer(FORMS[2], [15, 33, 1000], { zero: 7 });
    l.x.fill(255);
    l.wscale.fill(1);
    l.wq.forEach((_, i) => {
      l.wq[i] = i % 4 < 2 ? 127 : -128;
    });
    const acc = Math.fround(248 * 500 * (127 - 128));
    expect(new Set(run(l, { isa }))).toEqual(new Set([Math.fround(acc * l.ofX.scale)]));
  });

  it('rounds halves to even and clamps at both ends, as a level in and as a level out', () => {
    const values = Float32Array.of(
      0.5,
      1.5,
      2.5,
      -0.5,
      -1.5,
      1e30,
      -1e30,
      Infinity,
      -Infinity,
      155,
      154.5,
      -100,
      -100.5,
    );
    const expected = [100, 102, 102, 100, 98, 255, 0, 255, 0, 255, 254, 0, 0];
    const ofY = { scale: 1, zero: 100 };
    expect(Array.from(values, (v) => levelOf(v, ofY))).toEqual(expected);
    // Out: the values go in as the residual of a product of zeros.
    const m = values.length;
    const zeros = { m, n: 1, k: 1, x: new Float32Array(m), wq: Int8Array.of(1), wscale: Float32Array.of(1) };
    const out = { ...zeros, activation: 'none', residual: values, ofX: { scale: 1, zero: 0 }, ofY } as const;
    expect([...run(out, { isa })]).toEqual(expected);
    // In: the weight 1 gives back u − zero.
    const into = { ...zeros, x: values, activation: 'none', ofX: ofY } as const;
    expect([...run(into, { isa })]).toEqual(expected.map((u) => u - 100));
  });

  it('errs in GELU by less than a tenth of the smallest levels that take the coarse one', () => {
    // The residual takes the exact GELU away and leaves 0.4 levels above or below zero.
    const bias = Float32Array.from({ length: 4000 }, (_, i) => (i - 2000) / 250);
    const step = 2 ** -10;
    for (const rest of [0.4 * step, -0.4 * step]) {
      const l: Layer = {
        ...{ m: 1, n: bias.length, k: 1, x: Float32Array.of(0), wq: new Int8Array(bias.length), bias },
        wscale: new Float32Array(bias.length).fill(1),
        residual: bias.map((x) => rest - activate(x, 'gelu')),
        activation: 'gelu',
        ofX: { scale: 1, zero: 0 },
        ofY: { scale: step, zero: 128 },
      };
      expect(new Set(run(l, { isa }))).toEqual(new Set([128]));
    }
    // Finer levels get the exact one.
    const fine = { scale: 2 ** -16, zero: 128 };
    const small = bias.filter((x) => Math.abs(activate(x, 'gelu')) < 100 * fine.scale);
    const l = layer(FORMS[3], [1, small.length, 4], { bias: true, activation: 'gelu' });
    l.wq.fill(0);
    l.bias = small;
    expect(complaint({ ...l, ofY: fine }, { isa })).toBeUndefined();
  });

  it('makes a row with NaN NaN and leaves the others; as a level NaN is 0', () => {
    for (const k of [1, 15, 40, 129]) {
      for (const at of [0, k - 1]) {
        const l = layer(FORMS[0], [17, 35, k], { bias: true });
        l.x[2 * k + at] = Number.NaN;
        expect(complaint(l, { isa }), `k ${k}, NaN at ${at}`).toBeUndefined();
        const levels = run({ ...l, ofY: { scale: 0.1, zero: 9 } }, { isa });
        expect(new Set(levels.subarray(2 * 35, 3 * 35))).toEqual(new Set([0]));
      }
    }
  });

  it.each(['none', 'relu'] as const)('gives the levels of the interpreter to the bit, %s', (activation) => {
    for (const form of FORMS.filter(({ to }) => to === 'u8')) {
      const l = layer(form, [40, 50, 130], { activation, bias: true, residual: true });
      const graph = new Graph();
      const x = graph.input('x', [l.m, l.k], form.from);
      const [wq, wscale] = [graph.input('wq', [l.n, l.k], 'i8'), graph.input('wscale', [l.n])];
      const [bias, residual] = [graph.input('bias', [l.n]), graph.input('residual', [l.m, l.n])];
      graph.output('y', qlinearStatic(x, wq, wscale, bias, { activation, residual, x: l.ofX, y: l.ofY }));
      const { y } = interpret(graph, {
        inputs: { x: l.x, wq: l.wq, wscale: l.wscale, bias: l.bias!, residual: l.residual! },
      }).outputs;
      expect([...run(l, { isa, frozen: true })]).toEqual([...y.data]);
    }
  });
});

describe('qlinear_static', () => {
  const bad = (change: Partial<StepCall['attrs']>, l = layer(FORMS[1], [2, 3, 4])) => {
    const call = callOf(l);
    return () => runStep({ ...call, attrs: { ...call.attrs, ...change } as StepCall['attrs'] });
  };

  it('refuses what would overflow, and scales and zero points that are none', () => {
    const wide = layer(FORMS[2], [1, 1, 65_794]);
    expect(() => run(wide)).toThrow(/at most 65793 columns for wq but received 65794/);
    expect(bad({ xScale: 0 })).toThrow(/xScale/);
    expect(bad({ xScale: 1e-40 })).toThrow(/xScale/);
    expect(bad({ yScale: -1 })).toThrow(/yScale/);
    expect(bad({ xZero: 256 })).toThrow(/an integer from 0 to 255 for attribute xZero but received 256/);
    expect(bad({ yZero: 0.5 })).toThrow(/yZero/);
  });
});
