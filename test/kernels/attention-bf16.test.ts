/**
 * Attention with operands in bf16. The definition rounds q, k, v and dO. The kernels round the weights P and dS too, as any computation
 * does that multiplies bf16; the plain one is written down here: P = softmax(S) as a matrix, rounded, times v. The fused kernels may be
 * at most twice as far from the definition as it is.
 */
import { describe, expect, it } from 'vitest';
import { type Precision, roundBf16 } from '../../src/graph/index.js';
import type { Operation } from '../../src/graph/operation.js';
import { type AttentionAttributes, attentionOperation } from '../../src/graph/ops/attention.js';
import { attentionGradOperation } from '../../src/graph/ops/attention-grad.js';
import { visibleKeys } from '../../src/graph/ops/attention-pattern.js';
import { runStep, type StepOperand, sameBits } from './one-step.js';
import { defined, drawn, expectClose, f32, SETS, SPECIAL } from './oracle.js';

const forward = attentionOperation as Operation<never>;
const backward = attentionGradOperation as Operation<never>;

type Attributes = AttentionAttributes & { precision: Precision };

const HEADS = 3;
const SIZES: [steps: number, headDim: number][] = [
  [1, 16],
  [2, 8],
  [15, 20],
  [16, 32],
  [17, 4],
  [31, 64],
  [32, 16],
  [33, 64],
  [47, 31],
  [100, 32],
  [129, 33],
  [257, 8],
  [70, 80],
  [24, 128],
  [40, 255],
  [200, 17],
  [530, 4],
  [280, 64],
];
const PATTERNS: Pick<AttentionAttributes, 'windows' | 'strides' | 'alibi'>[] = [
  {},
  { windows: [0, 20, 3], alibi: [0, 0.1, 0] },
  { windows: [270, 0, 33], strides: [1, 3, 2], alibi: [0, 0.02, 0.5] },
];
const CASES = SIZES.flatMap(([steps, headDim]) =>
  PATTERNS.flatMap((pattern) =>
    ([true, false] as const).flatMap((causal) =>
      (['all', 'last'] as const).map((queries) => ({
        name: `T ${steps}, headDim ${headDim}, ${causal ? 'causal' : 'full'} ${queries} ${JSON.stringify(pattern)}`,
        steps,
        headDim,
        attrs: { heads: HEADS, causal, queries, precision: 'bf16' as const, ...pattern },
      })),
    ),
  ),
);

/** q, k or v of a head at a step, rounded; dO and o of a query row. */
const slice = (data: ArrayLike<number>, at: number, length: number, round = true): Float32Array =>
  Float32Array.from({ length }, (_, i) => (round ? roundBf16(data[at + i]) : data[at + i]));

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum = Math.fround(sum + a[i] * b[i]);
  return sum;
}

function addTo(out: Float32Array, at: number, weight: number, row: Float32Array): void {
  for (let i = 0; i < row.length; i++) out[at + i] = Math.fround(out[at + i] + weight * row[i]);
}

/** Attention as one writes it first in bf16: operands and P rounded, sums in float32. With dO the gradient, else o. */
function plain(qkv: StepOperand, headDim: number, attrs: Attributes, dO?: StepOperand, o?: Float32Array): Float32Array {
  const [batch, steps] = qkv.shape;
  const width = HEADS * headDim;
  const rows = attrs.queries === 'all' ? steps : 1;
  const result = new Float32Array(batch * (dO === undefined ? rows * width : steps * 3 * width));
  const factor = Math.fround(1 / Math.sqrt(headDim));
  for (let i = 0; i < batch * HEADS; i++) {
    const [b, head] = [Math.floor(i / HEADS), i % HEADS];
    const place = (t: number, part: number) => ((b * steps + t) * 3 + part) * width + head * headDim;
    const [q, k, v] = [0, 1, 2].map((which) =>
      Array.from({ length: steps }, (_, t) => slice(qkv.data, place(t, which), headDim)),
    );
    for (let row = 0; row < rows; row++) {
      const query = steps - rows + row;
      const keys = visibleKeys(attrs, attrs.causal, steps, head, query);
      const slope = attrs.alibi?.[head] ?? 0;
      const scores = keys.map((t) => Math.fround(dot(q[query], k[t]) * factor - slope * Math.abs(query - t)));
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.fround(Math.exp(score - top)));
      const total = weights.reduce((sum, weight) => Math.fround(sum + weight), 0);
      const p = weights.map((weight) => Math.fround(weight / total));
      const at = (b * rows + row) * width + head * headDim;
      if (dO === undefined) {
        for (const [j, t] of keys.entries()) addTo(result, at, roundBf16(p[j]), v[t]);
        continue;
      }
      const gradient = slice(dO.data, at, headDim);
      const delta = dot(gradient, slice(o as Float32Array, at, headDim, false));
      for (const [j, t] of keys.entries()) {
        const dS = roundBf16(p[j] * Math.fround(dot(gradient, v[t]) - delta) * factor);
        addTo(result, place(query, 0), dS, k[t]);
        addTo(result, place(t, 1), dS, q[query]);
        addTo(result, place(t, 2), roundBf16(p[j]), gradient);
      }
    }
  }
  return result;
}

/** Root of the mean square and largest difference. */
function errors(got: ArrayLike<number>, want: ArrayLike<number>): { mean: number; largest: number } {
  let sum = 0;
  let largest = 0;
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs(got[i] - want[i]);
    if (!Number.isFinite(difference)) return { mean: Number.NaN, largest: Number.NaN };
    sum += difference * difference;
    largest = Math.max(largest, difference);
  }
  return { mean: Math.sqrt(sum / want.length), largest };
}

/** At most twice as wrong as the plain computation; float32 rounding aside, which is all there is where P is 1. */
function expectAsGood(got: ArrayLike<number>, plainly: Float32Array, want: Float64Array, what: string): void {
  const scale = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const [ours, theirs] = [errors(got, want), errors(plainly, want)];
  const slack = 1e-5 * (1 + scale);
  expect(ours.mean, `${what}, mean square`).toBeLessThanOrEqual(2 * theirs.mean + slack);
  expect(ours.largest, `${what}, largest`).toBeLessThanOrEqual(2 * theirs.largest + slack);
}

describe('attention in bf16', () => {
  it.each(CASES)('is at most twice as wrong as plain: $name', ({ steps, headDim, attrs }) => {
    // Short sequences several times, so that chance does not decide.
    const qkv = drawn([Math.ceil(100 / steps), steps, 3 * HEADS * headDim], steps);
    const [o, lse] = defined(forward, [qkv], attrs);
    const dO = drawn(o.shape, 2);
    const operands = [dO, qkv, f32(o.shape, o.data), f32(lse.shape, lse.data)];
    const [dqkv] = defined(backward, operands, attrs);
    const plainly = plain(qkv, headDim, attrs);
    const plainGradient = plain(qkv, headDim, attrs, dO, operands[2].data as Float32Array);
    for (const isa of SETS) {
      for (const threads of [1, 2]) {
        const call = { inputs: [qkv], outputs: [{ shape: o.shape }, { shape: lse.shape }], attrs };
        const [gotO, gotLse] = runStep({ ...call, kernel: 'attention' }, { isa, threads });
        expectAsGood(gotO, plainly, o.data, `o on ${isa}`);
        expectClose(gotLse, lse.data, () => 2e-5, `lse on ${isa}`);
        const gradient = { inputs: operands, outputs: [{ shape: dqkv.shape }], attrs };
        const [got] = runStep({ ...gradient, kernel: 'attention_grad' }, { isa, threads });
        expectAsGood(got, plainGradient, dqkv.data, `dqkv on ${isa}`);
      }
    }
  });

  it('has the same bits for any number of threads, however the queries are cut', () => {
    const [batch, steps, headDim] = [2, 420, 24];
    const qkv = drawn([batch, steps, 3 * HEADS * headDim], 5);
    const dO = drawn([batch, steps, HEADS * headDim], 6);
    for (const pattern of PATTERNS) {
      const attrs = {
        heads: HEADS,
        causal: pattern.strides === undefined,
        queries: 'all',
        precision: 'bf16',
        ...pattern,
      };
      for (const isa of SETS) {
        const run = (threads: number) => {
          const outputs = [{ shape: dO.shape }, { shape: [batch, HEADS, steps] }];
          const [o, lse] = runStep({ kernel: 'attention', inputs: [qkv], outputs, attrs }, { isa, threads });
          const inputs = [dO, qkv, f32(outputs[0].shape, o), f32(outputs[1].shape, lse)];
          const gradient = { kernel: 'attention_grad', inputs, outputs: [{ shape: qkv.shape }], attrs };
          return [o, lse, ...runStep(gradient, { isa, threads })];
        };
        const alone = run(1);
        for (const threads of [2, 5, 23]) {
          const same = run(threads).every((result, i) => sameBits(result, alone[i]));
          expect(same, `${threads} threads on ${isa}, ${JSON.stringify(pattern)}`).toBe(true);
        }
      }
    }
  });

  it('does with values apart from numbers what float32 does', () => {
    // Rows whose elements are all special; those that bf16 holds, so that both precisions multiply the same.
    const [steps, headDim] = [70, 16];
    for (const value of [...SPECIAL.map(roundBf16), 3.4e38]) {
      for (const part of [0, 1, 2]) {
        const data = Float32Array.from(drawn([steps, 3 * headDim], 3).data, roundBf16);
        data[(20 * 3 + part) * headDim + 5] = value;
        const qkv = f32([1, steps, 3 * headDim], data);
        const dO = f32([1, steps, headDim], drawn([steps, headDim], 4).data);
        const outputs = [{ shape: [1, steps, headDim] }, { shape: [1, 1, steps] }];
        for (const isa of SETS) {
          const run = (precision: Precision) => {
            const attrs = { heads: 1, causal: true, queries: 'all', precision };
            const [o, lse] = runStep({ kernel: 'attention', inputs: [qkv], outputs, attrs }, { isa });
            const operands = [dO, qkv, f32(outputs[0].shape, o), f32(outputs[1].shape, lse)];
            const gradient = { kernel: 'attention_grad', inputs: operands, outputs: [{ shape: qkv.shape }], attrs };
            return [o, lse, runStep(gradient, { isa })[0]];
          };
          const bf16 = run('bf16');
          run('f32').forEach((want, i) => {
            const kind = (x: number) => (Number.isFinite(x) ? 'finite' : String(x));
            for (let j = 0; j < want.length; j++) {
              const where = `${value} in part ${part}, result ${i}, element ${j} on ${isa}`;
              // What overflows float32 in one precision may not in the other.
              if (Math.abs(value) > 1e29 && Number.isFinite(value)) continue;
              if (kind(want[j]) !== kind(bf16[i][j])) throw new Error(`${where}: ${bf16[i][j]} instead of ${want[j]}`);
            }
          });
        }
      }
    }
  });

  it('takes subnormal operands for nothing or for what they are', () => {
    const [steps, headDim] = [40, 16];
    const data = new Float32Array(steps * 3 * headDim).fill(1e-40);
    for (const isa of SETS) {
      const [o] = runStep(
        {
          kernel: 'attention',
          inputs: [f32([1, steps, 3 * headDim], data)],
          outputs: [{ shape: [1, steps, headDim] }, { shape: [1, 1, steps] }],
          attrs: { heads: 1, causal: false, queries: 'all', precision: 'bf16' },
        },
        { isa },
      );
      expect([...o].filter((x) => !(x >= 0 && x <= 1.01e-40))).toEqual([]);
    }
  });
});
