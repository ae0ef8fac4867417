import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { normals } from '../kernels/matrix.js';
import { sameBits } from '../kernels/one-step.js';
import { buildDriver, KernelScript, launches, traffic } from './driver.js';
import { ROUND } from './rounding.js';
import { unavailable } from './simulator.js';

type Precision = 'f32' | 'bf16' | 'f16';
interface Case {
  batch: number;
  steps: number;
  heads: number;
  dim: number;
  causal?: boolean;
  last?: boolean;
  windows?: number[];
  strides?: number[];
  slopes?: number[];
}

const name = (c: Case) =>
  [
    `${c.batch}×${c.steps}, ${c.heads} of ${c.dim}`,
    c.causal ? 'causal' : 'full',
    c.last ? 'last' : '',
    c.windows ? `windows ${c.windows}` : '',
    c.strides ? `strides ${c.strides}` : '',
    c.slopes ? 'ALiBi' : '',
  ]
    .filter(Boolean)
    .join(', ');

interface Tensors {
  o: Float64Array;
  lse: Float64Array;
  dqkv: Float64Array;
}

const queriesOf = (c: Case) => (c.last ? 1 : c.steps);
const keep = (x: number) => x;

/**
 * The formulas in float64 over operands rounded by `operand`. `between` rounds what a plain computation would store: scores, probabilities,
 * their gradients.
 */
function attend(c: Case, qkv: Float32Array, dO: Float32Array, operand: (x: number) => number, between = keep): Tensors {
  const { batch, steps, heads, dim } = c;
  const queries = queriesOf(c);
  const width = heads * dim;
  const scale = 1 / Math.sqrt(dim);
  const x = Float64Array.from(qkv, operand);
  const d = Float64Array.from(dO, operand);
  const o = new Float64Array(batch * queries * width);
  const lse = new Float64Array(batch * heads * queries);
  const dqkv = new Float64Array(qkv.length);
  const at = (b: number, t: number, part: number, h: number) => (b * steps + t) * 3 * width + part * width + h * dim;
  const dot = (p: Float64Array, i: number, q: Float64Array, j: number) => {
    let sum = 0;
    for (let e = 0; e < dim; e++) sum += p[i + e] * q[j + e];
    return sum;
  };
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      const window = c.windows?.[h] || Infinity;
      const stride = c.strides?.[h] ?? 1;
      const slope = Math.fround(c.slopes?.[h] ?? 0);
      for (let row = 0; row < queries; row++) {
        const t = steps - queries + row;
        const seen: number[] = [];
        for (let s = 0; s < (c.causal ? t + 1 : steps); s++) {
          if (Math.abs(t - s) < window && (t - s) % stride === 0) seen.push(s);
        }
        const scores = seen.map((s) =>
          between(dot(x, at(b, t, 0, h), x, at(b, s, 1, h)) * scale - slope * Math.abs(t - s)),
        );
        const top = Math.max(...scores);
        const terms = scores.map((score) => (top === -Infinity ? 0 : Math.exp(score - top)));
        const total = terms.reduce((sum, term) => sum + term, 0);
        const weights = terms.map((term) => between(total === 0 ? 0 : term / total));
        const to = (b * queries + row) * width + h * dim;
        seen.forEach((s, i) => {
          for (let e = 0; e < dim; e++) o[to + e] += weights[i] * x[at(b, s, 2, h) + e];
        });
        lse[(b * heads + h) * queries + row] = total === 0 ? -Infinity : top + Math.log(total);
        const delta = dot(d, to, o, to);
        seen.forEach((s, i) => {
          const dS = between(weights[i] * (between(dot(d, to, x, at(b, s, 2, h))) - delta)) * scale;
          for (let e = 0; e < dim; e++) {
            dqkv[at(b, t, 0, h) + e] += dS * x[at(b, s, 1, h) + e];
            dqkv[at(b, s, 1, h) + e] += dS * x[at(b, t, 0, h) + e];
            dqkv[at(b, s, 2, h) + e] += weights[i] * d[to + e];
          }
        });
      }
    }
  }
  return { o, lse, dqkv };
}

function operands(c: Case, seed: number) {
  const random = new Random(seed * 7919 + c.steps * 31 + c.dim);
  const width = c.heads * c.dim;
  return {
    qkv: normals(random, c.batch * c.steps * 3 * width),
    dO: normals(random, c.batch * queriesOf(c) * width),
  };
}

function add(script: KernelScript, c: Case, precision: Precision, { qkv, dO }: ReturnType<typeof operands>) {
  const queries = queriesOf(c);
  const got = {
    o: new Float32Array(dO.length),
    lse: new Float32Array(c.batch * c.heads * queries),
    dqkv: new Float32Array(qkv.length),
  };
  const args = {
    batch: c.batch,
    heads: c.heads,
    steps: c.steps,
    queries,
    dim: c.dim,
    causal: c.causal ? 1 : 0,
    patterns: c.windows || c.strides || c.slopes ? 1 : 0,
    windows: c.windows?.join(','),
    strides: c.strides?.join(','),
    slopes: c.slopes?.join(','),
    precision,
    qkv: script.load(qkv),
    o: script.alloc(got.o.byteLength),
    lse: script.alloc(got.lse.byteLength),
  };
  const dqkv = script.alloc(got.dqkv.byteLength);
  script.call('attention', args);
  script.call('attention_grad', { ...args, do: script.load(dO), dqkv });
  script.save(args.o, got.o);
  script.save(args.lse, got.lse);
  script.save(dqkv, got.dqkv);
  return got;
}

const worst = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    const error = Math.abs(a[i] - b[i]);
    if (!(error <= most)) most = error;
  }
  return most;
};
const largest = (a: ArrayLike<number>) => Array.from(a).reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** At most twice as wrong as the plain computation, whose errors include what float32 does to the sums. */
function compare(c: Case, precision: Precision, o: ReturnType<typeof operands>, got: ReturnType<typeof add>) {
  const round = ROUND[precision];
  const exact = attend(c, o.qkv, o.dO, round);
  const plain = precision === 'f32' ? exact : attend(c, o.qkv, o.dO, round, round);
  for (const key of ['o', 'lse', 'dqkv'] as const) {
    const bound = 2 * (key === 'lse' ? 0 : worst(plain[key], exact[key])) + 4e-6 * (1 + largest(exact[key]));
    const error = worst(got[key], exact[key]);
    expect(error, `${precision} ${key} of ${name(c)}: error ${error}, allowed ${bound}`).toBeLessThanOrEqual(bound);
  }
}

const cases: Case[] = [
  { batch: 1, steps: 1, heads: 1, dim: 1 },
  { batch: 2, steps: 7, heads: 2, dim: 3, causal: true },
  { batch: 1, steps: 65, heads: 2, dim: 16, causal: true },
  { batch: 1, steps: 64, heads: 1, dim: 24 },
  { batch: 2, steps: 100, heads: 2, dim: 32, causal: true },
  { batch: 1, steps: 33, heads: 1, dim: 64 },
  { batch: 1, steps: 90, heads: 1, dim: 61, causal: true },
  { batch: 1, steps: 70, heads: 1, dim: 128, causal: true },
  { batch: 1, steps: 131, heads: 1, dim: 100 },
  { batch: 2, steps: 130, heads: 1, dim: 32, last: true },
  { batch: 1, steps: 67, heads: 2, dim: 16, last: true, causal: true, windows: [0, 5], strides: [3, 2] },
  { batch: 1, steps: 150, heads: 3, dim: 16, causal: true, windows: [10, 64, 1], slopes: [0, 0.25, 0.5] },
  { batch: 1, steps: 140, heads: 3, dim: 16, windows: [20, 0, 70], strides: [1, 2, 5], slopes: [0.5, 0.125, 0] },
  { batch: 1, steps: 200, heads: 2, dim: 32, causal: true, strides: [4, 70] },
  { batch: 1, steps: 10, heads: 2, dim: 16, windows: [2 ** 31 - 1, 10], strides: [2 ** 31 - 1, 10] },
];

describe.skipIf(unavailable !== undefined)('CUDA attention', () => {
  beforeAll(buildDriver, 900_000);

  it.each([
    ['f32', 1],
    ['bf16', 1],
    ['bf16', 2],
    ['f16', 1],
  ] as const)(
    'is the definition in %s, seed %i: ragged, causal, windowed, strided, ALiBi, last query',
    (precision, seed) => {
      const script = new KernelScript();
      const runs = cases.map((c) => {
        const o = operands(c, seed);
        return { c, o, got: add(script, c, precision, o) };
      });
      const report = script.run(seed);
      for (const { c, o, got } of runs) compare(c, precision, o, got);
      const suffix = precision === 'f32' ? '_f32' : '';
      expect(launches(report, `attention_forward${suffix}`)).toBe(cases.length);
      expect(launches(report, `attention_backward${suffix}`)).toBe(2 * cases.length);
    },
    300_000,
  );

  it('gives the same bits in any order of warps', () => {
    for (const precision of ['f32', 'bf16'] as const) {
      const c: Case = { batch: 1, steps: 90, heads: 2, dim: 32, causal: true };
      const o = operands(c, 3);
      const [first, second] = [3, 4].map((seed) => {
        const script = new KernelScript();
        const got = add(script, c, precision, o);
        script.run(seed);
        return got;
      });
      for (const key of ['o', 'lse', 'dqkv'] as const) expect(sameBits(first[key], second[key]), key).toBe(true);
    }
  }, 300_000);

  it('keeps NaN and infinity of keys that are not seen from a query and passes on the others', () => {
    for (const precision of ['f32', 'bf16', 'f16'] as const) {
      const c: Case = { batch: 1, steps: 40, heads: 1, dim: 16, causal: true, windows: [12] };
      for (const [part, value] of [
        [2, Number.NaN],
        [2, Number.POSITIVE_INFINITY],
        [1, Number.NaN],
        [0, Number.NaN],
      ] as const) {
        const o = operands(c, 5);
        o.qkv[20 * 48 + part * 16 + 3] = value;
        const script = new KernelScript();
        const got = add(script, c, precision, o);
        script.run();
        const exact = attend(c, o.qkv, o.dO, ROUND[precision]);
        for (const key of ['o', 'lse', 'dqkv'] as const) {
          const wrong = got[key].findIndex((x, i) => Number.isFinite(x) !== Number.isFinite(exact[key][i]));
          expect(wrong, `${precision} ${key}, ${value} in part ${part}`).toBe(-1);
        }
      }
    }
  }, 300_000);

  it('gives zeros where every score is −∞', () => {
    for (const precision of ['f32', 'bf16', 'f16'] as const) {
      const c: Case = { batch: 1, steps: 20, heads: 1, dim: 16 };
      const o = operands(c, 6);
      for (let t = 0; t < 20; t++) {
        o.qkv[t * 48 + 16] = Number.NEGATIVE_INFINITY; // of every key
        o.qkv[t * 48] = t === 7 ? 1 : Math.abs(o.qkv[t * 48]) + 0.1;
      }
      const script = new KernelScript();
      const got = add(script, c, precision, o);
      script.run();
      expect(new Set(got.o), precision).toEqual(new Set([0]));
      expect(new Set(got.lse), precision).toEqual(new Set([-Infinity]));
    }
  }, 300_000);

  it.each(['f32', 'bf16', 'f16'] as const)(
    'has no bank conflicts and reads whole sectors in %s',
    (precision) => {
      for (const dim of [16, 32, 64, 128]) {
        for (const causal of [false, true]) {
          const c: Case = { batch: 1, steps: 128, heads: 2, dim, causal };
          const script = new KernelScript();
          add(script, c, precision, operands(c, 8));
          const { wavefronts, idealWavefronts, sectors, idealSectors } = traffic(script.run());
          expect(wavefronts, `${name(c)} wavefronts`).toBe(idealWavefronts);
          expect(sectors / idealSectors, `${name(c)} sectors`).toBeLessThanOrEqual(1.1);
        }
      }
    },
    300_000,
  );
});
