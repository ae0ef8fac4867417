/**
 * Dropout of the attention weights: the definition against matrices that are all written down, the kernels against the definition, and
 * what the random bits may depend on.
 */
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { type AttentionAttributes, attentionOperation } from '../../src/graph/ops/attention.js';
import { attentionGradOperation } from '../../src/graph/ops/attention-grad.js';
import { visibleKeys } from '../../src/graph/ops/attention-pattern.js';
import { dropoutOperation } from '../../src/graph/ops/dropout.js';
import { SETS_AND_PRECISIONS } from './matrix.js';
import { runStep, type StepOperand, sameBits } from './one-step.js';
import { againstDefinition, defined, drawn, expectClose, f32, SETS, u32 } from './oracle.js';

const forward = attentionOperation as Operation<never>;
const backward = attentionGradOperation as Operation<never>;
const RNG = u32([4], [0x12345678, 0x9abcdef0, 7, 0]);
const HEADS = 3;

type Pattern = Pick<AttentionAttributes, 'windows' | 'strides' | 'alibi'>;
const PATTERNS: Pattern[] = [
  {},
  { windows: [9, 70, 0], alibi: [0.25, 0.01, 1] },
  { windows: [12, 0, 33], strides: [3, 50, 1] },
];
const SIZES: [batch: number, steps: number, headDim: number][] = [
  [2, 1, 16],
  [1, 2, 3],
  [2, 7, 8],
  [1, 15, 20],
  [2, 16, 32],
  [1, 17, 4],
  [1, 33, 64],
  [1, 100, 32],
  [1, 129, 33],
  [1, 257, 8],
  [1, 24, 80],
  [1, 530, 4],
];
const CASES = SIZES.flatMap(([batch, steps, headDim], i) =>
  PATTERNS.filter((_, p) => steps < 50 || p === i % 3).flatMap((pattern) =>
    ([true, false] as const).flatMap((causal) =>
      (['all', 'last'] as const).map((queries) => ({
        name: `${batch}×${steps}, headDim ${headDim}, ${causal ? 'causal' : 'full'} ${queries} ${JSON.stringify(pattern)}`,
        batch,
        steps,
        headDim,
        attrs: { heads: HEADS, causal, queries, ...pattern, dropout: 0.3, stream: 5 + i },
      })),
    ),
  ),
);
/** Sizes for the check by matrices. */
const SMALL = CASES.filter(({ steps }) => steps < 40);

/** M of head `head` of sequence `batch`: what dropout makes of ones (batch, heads, T, T rounded up to 16). */
function masksOf(attrs: AttentionAttributes, batch: number, steps: number) {
  const padded = Math.ceil(steps / 16) * 16;
  const ones = new Float32Array(batch * attrs.heads * steps * padded).fill(1);
  const drop = { p: attrs.dropout as number, stream: attrs.stream as number };
  const [{ data }] = defined(dropoutOperation as Operation<never>, [f32([ones.length], ones), RNG], drop);
  return (b: number, head: number, query: number, key: number) =>
    data[((b * attrs.heads + head) * steps + query) * padded + Math.floor(key / (attrs.strides?.[head] ?? 1))];
}

/** o and dqkv in float64 from P and M written down, head by head. */
function plainly(qkv: StepOperand, dO: StepOperand, attrs: AttentionAttributes) {
  const [batch, steps, packed] = qkv.shape;
  const width = packed / 3;
  const dim = width / attrs.heads;
  const rows = attrs.queries === 'all' ? steps : 1;
  const mask = masksOf(attrs, batch, steps);
  const o = new Float64Array(batch * rows * width);
  const dqkv = new Float64Array(batch * steps * packed);
  const dot = (x: ArrayLike<number>, i: number, y: ArrayLike<number>, j: number) => {
    let sum = 0;
    for (let c = 0; c < dim; c++) sum += x[i + c] * y[j + c];
    return sum;
  };
  for (let b = 0; b < batch; b++) {
    for (let head = 0; head < attrs.heads; head++) {
      const at = (t: number, part: number) => ((b * steps + t) * 3 + part) * width + head * dim;
      for (let row = 0; row < rows; row++) {
        const query = steps - rows + row;
        const out = (b * rows + row) * width + head * dim;
        const keys = visibleKeys(attrs, attrs.causal, steps, head, query);
        const slope = attrs.alibi?.[head] ?? 0;
        const scores = keys.map(
          (t) => dot(qkv.data, at(query, 0), qkv.data, at(t, 1)) / Math.sqrt(dim) - slope * Math.abs(query - t),
        );
        const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
        const p = scores.map((score) => Math.exp(score) / total);
        const m = keys.map((t) => mask(b, head, query, t));
        keys.forEach((t, j) => {
          for (let c = 0; c < dim; c++) o[out + c] += p[j] * m[j] * qkv.data[at(t, 2) + c];
        });
        const dA = keys.map((t) => dot(dO.data, out, qkv.data, at(t, 2))); // of the dropped weights
        const dP = dA.map((x, j) => x * m[j]);
        const mean = dP.reduce((sum, x, j) => sum + x * p[j], 0); // of the softmax
        keys.forEach((t, j) => {
          const dS = (p[j] * (dP[j] - mean)) / Math.sqrt(dim);
          for (let c = 0; c < dim; c++) {
            dqkv[at(query, 0) + c] += dS * qkv.data[at(t, 1) + c];
            dqkv[at(t, 1) + c] += dS * qkv.data[at(query, 0) + c];
            dqkv[at(t, 2) + c] += p[j] * m[j] * dO.data[out + c];
          }
        });
      }
    }
  }
  return { o, dqkv };
}

/** o, lse and dqkv of the kernels. */
function run(
  qkv: StepOperand,
  dO: StepOperand,
  attrs: AttentionAttributes,
  options: object,
  rng: StepOperand | null = RNG,
) {
  const [batch] = qkv.shape;
  const rows = dO.shape[1];
  const outputs = [{ shape: dO.shape }, { shape: [batch, attrs.heads, rows] }];
  const [o, lse] = runStep({ kernel: 'attention', inputs: [qkv, rng], outputs, attrs: attrs as never }, options);
  const inputs = [dO, qkv, f32(outputs[0].shape, o), f32(outputs[1].shape, lse), rng];
  const [dqkv] = runStep(
    { kernel: 'attention_grad', inputs, outputs: [{ shape: qkv.shape }], attrs: attrs as never },
    options,
  );
  return [o, lse, dqkv] as Float32Array[];
}

const operandsOf = ({ batch, steps, headDim, attrs }: (typeof CASES)[number]) => {
  const rows = attrs.queries === 'all' ? steps : 1;
  return [drawn([batch, steps, 3 * HEADS * headDim], steps), drawn([batch, rows, HEADS * headDim], 2)] as const;
};

describe('attention with dropout', () => {
  it.each(SMALL)('is defined as by whole matrices: $name', (c) => {
    const [qkv, dO] = operandsOf(c);
    const want = plainly(qkv, dO, c.attrs);
    const [o, lse] = defined(forward, [qkv, RNG], c.attrs);
    const values = [dO, qkv, o, lse, RNG].map(({ shape, data }) => ({
      shape,
      dtype: 'f32' as const,
      data: Float64Array.from(data),
    }));
    const dqkv = { ...values[1], data: new Float64Array(values[1].data.length) };
    attentionGradOperation.reference(values, c.attrs, [dqkv]);
    const far = (a: Float64Array, b: Float64Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i])));
    expect(far(o.data, want.o)).toBeLessThan(1e-12);
    expect(far(dqkv.data, want.dqkv)).toBeLessThan(1e-12);
  });

  it.each(CASES)('is the definition: $name', (c) => {
    const [qkv, dO] = operandsOf(c);
    againstDefinition(forward, [qkv, RNG], { attrs: c.attrs, bound: () => 1e-5 });
    const [o, lse] = defined(forward, [qkv, RNG], c.attrs);
    againstDefinition(backward, [dO, qkv, f32(o.shape, o.data), f32(lse.shape, lse.data), RNG], {
      attrs: c.attrs,
      bound: (_, want) => 4e-5 + 1e-5 * Math.abs(want),
    });
  });

  it.each(CASES.filter((_, i) => i % 3 === 0))('is the definition in bf16: $name', (c) => {
    const attrs = { ...c.attrs, precision: 'bf16' as const };
    const [qkv, dO] = operandsOf(c);
    const [o, lse] = defined(forward, [qkv, RNG], attrs);
    const operands = [dO, qkv, f32(o.shape, o.data), f32(lse.shape, lse.data), RNG];
    const [dqkv] = defined(backward, operands, attrs);
    for (const isa of SETS) {
      const [gotO, gotLse, gotDqkv] = run(qkv, dO, attrs, { isa });
      // P∘M and dS have 8 bits.
      expectClose(gotO, o.data, () => 0.03, `o on ${isa}`);
      expectClose(gotLse, lse.data, () => 2e-5, `lse on ${isa}`);
      expectClose(gotDqkv, dqkv.data, (want) => 0.06 + 0.02 * Math.abs(want), `dqkv on ${isa}`);
    }
  });

  describe.each(SETS_AND_PRECISIONS)('on $isa in $precision', ({ isa, precision }) => {
    const [steps, headDim] = [90, 24];
    const qkv = drawn([2, steps, 3 * HEADS * headDim], 3);
    const dO = drawn([2, steps, HEADS * headDim], 4);

    it.each(PATTERNS)('has for p = 0 the bits of attention without: %j', (pattern) => {
      const attrs = { heads: HEADS, causal: true, queries: 'all' as const, precision, ...pattern };
      const without = run(qkv, dO, attrs, { isa }, null);
      for (const dropout of [0, 2 ** -18]) {
        const none = run(qkv, dO, { ...attrs, dropout, stream: 1 }, { isa });
        none.forEach((result, i) => {
          expect(sameBits(result, without[i]), `result ${i} for p = ${dropout}`).toBe(true);
        });
      }
    });

    it('has the bits of every number of threads', () => {
      for (const pattern of PATTERNS) {
        for (const queries of ['all', 'last'] as const) {
          const attrs = { heads: HEADS, causal: false, queries, precision, ...pattern, dropout: 0.5, stream: 1 };
          const long = drawn([1, 300, 3 * HEADS * 8], 5);
          const gradient = drawn([1, queries === 'all' ? 300 : 1, HEADS * 8], 6);
          const alone = run(long, gradient, attrs, { isa, threads: 1 });
          for (const threads of [2, 23]) {
            const same = run(long, gradient, attrs, { isa, threads }).every((x, i) => sameBits(x, alone[i]));
            expect(same, `${threads} threads, ${queries} ${JSON.stringify(pattern)}`).toBe(true);
          }
        }
      }
    });

    it('leaves lse as it is', () => {
      const attrs = { heads: HEADS, causal: true, queries: 'all' as const };
      const [, lse] = run(qkv, dO, attrs, { isa }, null);
      expect(sameBits(run(qkv, dO, { ...attrs, dropout: 0.5, stream: 1 }, { isa })[1], lse)).toBe(true);
    });

    it('drops just the weights that the definition drops, one for one', () => {
      // All weights are 1/T, and v is the unit matrix: o is M/T.
      const T = 64;
      const data = new Float32Array(T * 3 * T);
      for (let t = 0; t < T; t++) data[t * 3 * T + 2 * T + t] = 1;
      const attrs = { heads: 1, causal: false, queries: 'all' as const, precision, dropout: 0.25, stream: 2 };
      const mask = masksOf(attrs, 1, T);
      const unit = f32([1, T, 3 * T], data);
      const [o] = run(unit, drawn([1, T, T], 1), attrs, { isa });
      const [last] = run(unit, drawn([1, 1, T], 1), { ...attrs, queries: 'last' }, { isa });
      for (let query = 0; query < T; query++) {
        for (let key = 0; key < T; key++) {
          const want = mask(0, 0, query, key) / T;
          expect(o[query * T + key], `${query}, ${key}`).toBeCloseTo(want, precision === 'bf16' ? 4 : 8);
          expect(o[query * T + key] === 0).toBe(want === 0);
          if (query === T - 1) expect(last[key] === 0, `the last, ${key}`).toBe(want === 0);
        }
      }
    });

    it('makes NaN of an infinite value whose weight is dropped, infinity where it stays, nothing where it is not seen', () => {
      const attrs = { heads: 1, causal: true, queries: 'all' as const, precision, dropout: 0.5, stream: 3 };
      const [T, dim] = [40, 8];
      const plain = drawn([1, T, 3 * dim], 8);
      plain.data[(9 * 3 + 2) * dim + 1] = Number.POSITIVE_INFINITY;
      const mask = masksOf(attrs, 1, T);
      const [o] = run(plain, drawn([1, T, dim], 1), attrs, { isa });
      for (let t = 0; t < T; t++) {
        const x = o[t * dim + 1];
        if (t < 9) expect(Number.isFinite(x), `row ${t}`).toBe(true);
        else expect(x, `row ${t}`).toBe(mask(0, 0, t, 9) === 0 ? Number.NaN : Number.POSITIVE_INFINITY);
        expect(Number.isFinite(o[t * dim])).toBe(true);
      }
    });
  });

  it('drops the share p, independently for rows, heads, sequences, streams and steps', () => {
    const T = 240;
    const p = 0.2;
    const ones = new Float32Array(2 * T * 6).map((_, i) => (i % 6 >= 4 ? 1 : 0));
    const sums = (rng: number[], stream: number) => {
      const attrs = { heads: 2, causal: false, queries: 'all' as const, dropout: p, stream };
      const outputs = [{ shape: [2, T, 2] }, { shape: [2, 2, T] }];
      const inputs = [f32([2, T, 6], ones), u32([4], rng)];
      return runStep({ kernel: 'attention', inputs, outputs, attrs }, { isa: SETS.at(-1) })[0] as Float32Array;
    };
    // A row's share of weights that stay, times 1/(1 − p): mean 1, variance p/((1 − p)·T).
    const base = sums([1, 2, 3, 0], 4);
    const deviation = Math.sqrt(p / ((1 - p) * T));
    const z = (x: Float32Array) => Array.from(x, (y) => (y - 1) / deviation);
    const mean = (x: number[]) => x.reduce((a, b) => a + b, 0) / x.length;
    const n = base.length;
    expect(Math.abs(mean(z(base))) * Math.sqrt(n)).toBeLessThan(4);
    expect(Math.abs(mean(z(base).map((y) => y * y)) - 1) * Math.sqrt(n / 2)).toBeLessThan(5);
    const others = [
      sums([1, 2, 4, 0], 4),
      sums([1, 2, 3, 0], 5),
      sums([2, 2, 3, 0], 4),
      base.subarray(1),
      base.subarray(2),
      base.subarray(n / 2),
    ];
    for (const [i, other] of others.entries()) {
      const [a, b] = [z(base), z(other)];
      const products = b.map((y, j) => y * a[j]);
      expect(Math.abs(mean(products)) * Math.sqrt(products.length), `other ${i}`).toBeLessThan(4);
    }
  });
});

describe('attention with dropout refuses', () => {
  const call = (rng: StepOperand | null, attrs: object) =>
    runStep({
      kernel: 'attention',
      inputs: [f32([1, 4, 18], new Float32Array(72)), rng],
      outputs: [{ shape: [1, 4, 6] }, { shape: [1, 2, 4] }],
      attrs: { heads: 2, causal: true, queries: 'all', ...attrs },
    });
  it.each([
    [RNG, { dropout: 1, stream: 0 }, /expected a probability from 0 to 0.9999 for attribute dropout but received 1/],
    [
      RNG,
      { dropout: -0.1, stream: 0 },
      /expected a probability from 0 to 0.9999 for attribute dropout but received -0.1/,
    ],
    [RNG, { dropout: 0.1, stream: -1 }, /expected an integer from 0 to \d+ for attribute stream but received -1/],
    [RNG, { dropout: 0.1 }, /attribute 'stream' is absent/],
    [RNG, {}, /attribute 'dropout' is absent/],
    [null, { dropout: 0.1, stream: 0 }, /expected the operand rng with attribute dropout but received none/],
    [u32([3], [1, 2, 3]), { dropout: 0.1, stream: 0 }, /expected u32 \(4\) for rng but received u32 \(3\)/],
    [f32([4], [1, 2, 3, 4]), { dropout: 0.1, stream: 0 }, /expected u32 \(4\) for rng but received f32 \(4\)/],
  ] as const)('%j %j', (rng, attrs, message) => {
    expect(() => call(rng as StepOperand | null, attrs)).toThrow(message);
  });
});
