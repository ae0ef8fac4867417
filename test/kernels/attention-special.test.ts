/** What attention does apart from its formula's plain values, float32 and bf16: masks, NaN, infinities, huge scores, wrong operands. */
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { attentionOperation } from '../../src/graph/ops/attention.js';
import { type AttentionPattern, patternAttributes, visibleKeys } from '../../src/graph/ops/attention-pattern.js';
import { rounded, SETS_AND_PRECISIONS } from './matrix.js';
import { runStep, type StepOperand, sameBits } from './one-step.js';
import { defined, drawn, expectClose, f32 } from './oracle.js';

const forward = attentionOperation as Operation<never>;

interface Sizes {
  batch?: number;
  steps: number;
  heads?: number;
  headDim: number;
  queries?: 'all' | 'last';
  causal?: boolean;
}

/** A set and the precision of the products. */
type Variant = (typeof SETS_AND_PRECISIONS)[number];

function runForward(qkv: StepOperand, s: Sizes, { isa, precision }: Variant): [Float32Array, Float32Array] {
  const { batch = 1, steps, heads = 1, headDim, queries = 'all', causal = true } = s;
  const rows = queries === 'all' ? steps : 1;
  return runStep(
    {
      kernel: 'attention',
      inputs: [qkv],
      outputs: [{ shape: [batch, rows, heads * headDim] }, { shape: [batch, heads, rows] }],
      attrs: { heads, causal, queries, precision },
    },
    { isa },
  ) as [Float32Array, Float32Array];
}

function runBackward(operands: StepOperand[], s: Sizes, { isa, precision }: Variant): Float32Array {
  const { heads = 1, queries = 'all', causal = true } = s;
  return runStep(
    {
      kernel: 'attention_grad',
      inputs: operands,
      outputs: [{ shape: operands[1].shape }],
      attrs: { heads, causal, queries, precision },
    },
    { isa },
  )[0] as Float32Array;
}

describe.each(SETS_AND_PRECISIONS)('attention on $isa in $precision', (variant) => {
  const { isa, precision } = variant;
  const inBf16 = precision === 'bf16';

  it.each([
    [40, 16],
    [150, 33],
    [131, 8],
  ])('never looks ahead: %i steps, headDim %i', (steps, headDim) => {
    const past = drawn([1, steps, 3 * headDim], 1);
    const [o, lse] = runForward(past, { steps, headDim }, variant);
    for (const cut of [1, 7, 8, 9, Math.floor(steps / 2), steps - 1]) {
      for (const future of [Number.NaN, Number.POSITIVE_INFINITY, 1e30]) {
        const data = (past.data as Float32Array).slice().fill(future, cut * 3 * headDim);
        const [changed, changedLse] = runForward(f32(past.shape, data), { steps, headDim }, variant);
        const kept = cut * headDim;
        expect(sameBits(changed.subarray(0, kept), o.subarray(0, kept)), `o before ${cut}`).toBe(true);
        expect(sameBits(changedLse.subarray(0, cut), lse.subarray(0, cut)), `lse before ${cut}`).toBe(true);
        if (Number.isNaN(future)) expect(changed.subarray(kept).every(Number.isNaN)).toBe(true);
      }
    }
  });

  it.each<AttentionPattern>([
    { windows: [5] },
    { windows: [64], alibi: [0.1] },
    { strides: [3] },
    { windows: [40], strides: [7] },
  ])('keeps a NaN from queries that do not see its key: %j', (pattern) => {
    const [steps, headDim] = [300, 24];
    for (const causal of [true, false]) {
      const plain = drawn([1, steps, 3 * headDim], 9);
      const attrs = { heads: 1, causal, queries: 'all' as const, precision, ...patternAttributes(pattern) };
      const call = (qkv: StepOperand) =>
        runStep(
          {
            kernel: 'attention',
            inputs: [qkv],
            outputs: [{ shape: [1, steps, headDim] }, { shape: [1, 1, steps] }],
            attrs,
          },
          { isa },
        ) as [Float32Array, Float32Array];
      const grad = (dO: StepOperand, qkv: StepOperand, [o, lse]: [Float32Array, Float32Array]) =>
        runStep(
          {
            kernel: 'attention_grad',
            inputs: [dO, qkv, f32([1, steps, headDim], o), f32([1, 1, steps], lse)],
            outputs: [{ shape: qkv.shape }],
            attrs,
          },
          { isa },
        )[0] as Float32Array;
      const clean = call(plain);
      const dO = drawn([1, steps, headDim], 10);
      const cleanGrad = grad(dO, plain, clean);
      const key = 150;
      const data = (plain.data as Float32Array).slice();
      data.fill(Number.NaN, (key * 3 + 1) * headDim, (key * 3 + 3) * headDim);
      const spoilt = call(f32(plain.shape, data));
      const spoiltGrad = grad(dO, f32(plain.shape, data), spoilt);
      for (let t = 0; t < steps; t++) {
        const row = (array: Float32Array, at: number) => array.subarray(at * headDim, (at + 1) * headDim);
        if (visibleKeys(pattern, causal, steps, 0, t).includes(key)) {
          expect(row(spoilt[0], t).every(Number.isNaN), `o of ${t}`).toBe(true);
          expect(row(spoiltGrad, 3 * t).every(Number.isNaN), `dq of ${t}`).toBe(true);
        } else {
          expect(sameBits(row(spoilt[0], t), row(clean[0], t)), `o of ${t}`).toBe(true);
          expect(sameBits(row(spoiltGrad, 3 * t), row(cleanGrad, 3 * t)), `dq of ${t}`).toBe(true);
        }
      }
    }
  });

  it('keeps a NaN of the gradient from queries that do not see the key', () => {
    const [steps, headDim, cut] = [70, 16, 37];
    const qkv = drawn([1, steps, 3 * headDim], 1);
    const [o, lse] = runForward(qkv, { steps, headDim }, variant);
    const operands = (dO: Float32Array) => [
      f32([1, steps, headDim], dO),
      qkv,
      f32([1, steps, headDim], o),
      f32([1, 1, steps], lse),
    ];
    const clean = drawn([1, steps, headDim], 2).data as Float32Array;
    const plain = runBackward(operands(clean), { steps, headDim }, variant);
    const spoilt = clean.slice().fill(Number.NaN, cut * headDim, (cut + 1) * headDim);
    const result = runBackward(operands(spoilt), { steps, headDim }, variant);
    for (let t = 0; t < steps; t++) {
      for (let part = 0; part < 3; part++) {
        const at = (t * 3 + part) * headDim;
        const row = result.subarray(at, at + headDim);
        // Query `cut` reaches its own dq and the keys and values up to it.
        const reached = part === 0 ? t === cut : t <= cut;
        if (reached) expect(row.every(Number.isNaN), `part ${part} of step ${t}`).toBe(true);
        else expect(sameBits(row, plain.subarray(at, at + headDim)), `part ${part} of step ${t}`).toBe(true);
      }
    }
  });

  it('gives zeros, lse −∞ and no gradient where all scores are −∞', () => {
    const [steps, headDim] = [20, 4];
    const data = drawn([1, steps, 3 * headDim], 3).data.slice() as Float32Array;
    for (let t = 0; t < steps; t++)
      data.fill(1, t * 12, t * 12 + 4).fill(t < 10 ? -Infinity : 1, t * 12 + 4, t * 12 + 8);
    const qkv = f32([1, steps, 3 * headDim], data);
    const [o, lse] = runForward(qkv, { steps, headDim }, variant);
    expect([...o.subarray(0, 40)]).toEqual(Array(40).fill(0));
    expect([...lse.subarray(0, 10)]).toEqual(Array(10).fill(-Infinity));
    // Later rows see the −∞ scores as weights of zero.
    expectClose(o.subarray(40, 44), rounded(data.subarray(10 * 12 + 8, 11 * 12), precision), () => 1e-6);
    expect(lse.subarray(10).every(Number.isFinite)).toBe(true);
    const dqkv = runBackward(
      [drawn([1, steps, headDim], 4), qkv, f32([1, steps, headDim], o), f32([1, 1, steps], lse)],
      { steps, headDim },
      variant,
    );
    for (let t = 0; t < 10; t++)
      expect([...dqkv.subarray(t * 12 + 8, t * 12 + 12)], `dv of step ${t}`).toEqual([0, 0, 0, 0]);
  });

  it.each(['all', 'last'] as const)('spoils only the rows and heads that a NaN belongs to: %s', (queries) => {
    const [steps, heads, headDim] = [33, 2, 5];
    const data = drawn([1, steps, 30], 5).data.slice() as Float32Array;
    data[20 * 30 + 10 + 2] = Number.NaN; // key 20, head 0
    const [o, lse] = runForward(f32([1, steps, 30], data), { steps, heads, headDim, queries }, variant);
    const rows = queries === 'all' ? steps : 1;
    for (let row = 0; row < rows; row++) {
      const spoilt = queries === 'last' || row >= 20;
      expect(
        o.subarray(row * 10, row * 10 + 5).every((x) => Number.isNaN(x) === spoilt),
        `row ${row}`,
      ).toBe(true);
      expect(o.subarray(row * 10 + 5, row * 10 + 10).every(Number.isFinite), `row ${row} head 1`).toBe(true);
      expect(Number.isNaN(lse[row])).toBe(spoilt);
    }
  });

  it.each([1e3, 1e9, 1e18])('is right for scores of the order of %d', (size) => {
    const [steps, headDim] = [150, 8];
    const qkv = drawn([1, steps, 3 * headDim], 6, Math.sqrt(size));
    const [o, lse] = defined(forward, [qkv], { heads: 1, causal: false, queries: 'all', precision });
    const [gotO, gotLse] = runForward(qkv, { steps, headDim, causal: false }, variant);
    // The largest score wins alone unless two lie within rounding of each other, which the seed rules out from 1e9 on.
    const slack = size < 1e6 ? 3e-3 : 1e-6;
    expectClose(gotO, o.data, () => slack * 5 * Math.sqrt(size), 'o');
    expectClose(gotLse, lse.data, (want) => 1e-6 * Math.abs(want), 'lse');
    const operands = [drawn([1, steps, headDim], 7), qkv, f32([1, steps, headDim], gotO), f32([1, 1, steps], gotLse)];
    expect(runBackward(operands, { steps, headDim, causal: false }, variant).every(Number.isFinite)).toBe(true);
  });

  it('gives each query of a long sequence, of several key blocks, what it gives it alone', () => {
    const [steps, headDim] = [517, 24];
    const qkv = drawn([1, steps, 3 * headDim], 8);
    const [all, lse] = runForward(qkv, { steps, headDim }, variant);
    for (const row of [0, 7, 63, 127, 128, 200, 255, 256, 400, 516]) {
      const upTo = f32([1, row + 1, 3 * headDim], qkv.data.subarray(0, (row + 1) * 3 * headDim));
      const [last, lastLse] = runForward(upTo, { steps: row + 1, headDim, queries: 'last' }, variant);
      // In bf16 the weights are rounded before they are divided by their sum, from the largest score so far.
      const slack = inBf16 ? 2 ** -7 : 4e-6;
      expectClose(last, all.subarray(row * headDim, (row + 1) * headDim), () => slack, `row ${row}`);
      expectClose(lastLse, lse.subarray(row, row + 1), () => 4e-6, `lse of row ${row}`);
    }
  });
});

describe('attention refuses', () => {
  const call = (
    shape: number[],
    attrs = {},
    outputs: number[][] = [
      [1, 4, 6],
      [1, 2, 4],
    ],
  ) =>
    runStep({
      kernel: 'attention',
      inputs: [f32(shape, new Float32Array(shape.reduce((a, b) => a * b)))],
      outputs: outputs.map((s) => ({ shape: s })),
      attrs: { heads: 2, causal: true, queries: 'all', ...attrs },
    });
  it.each([
    [
      [1, 4, 20],
      {},
      undefined,
      /expected \(B, T, 3 · heads · headDim\) with heads = 2.*for qkv but received \(1, 4, 20\)/,
    ],
    [[4, 18], {}, undefined, /expected f32 \(any, any, any\) for qkv but received f32 \(4, 18\)/],
    [[1, 4, 18], { heads: 0 }, undefined, /expected an integer from 1 to \d+ for attribute heads but received 0/],
    [
      [1, 4, 18],
      { queries: 'first' },
      undefined,
      /expected 'all' or 'last' for attribute queries but received 'first'/,
    ],
    [
      [1, 4, 18],
      {},
      [
        [1, 4, 5],
        [1, 2, 4],
      ],
      /expected f32 \(1, 4, 6\) for o but received f32 \(1, 4, 5\)/,
    ],
    [[1, 4, 18], { queries: 'last' }, undefined, /expected f32 \(1, 1, 6\) for o but received f32 \(1, 4, 6\)/],
    [[1, 4, 18], { windows: [1] }, undefined, /expected 2 numbers, one a head, for attribute windows but received 1/],
    [
      [1, 4, 18],
      { windows: [1, -1] },
      undefined,
      /expected integers from 0 to \d+ for attribute windows but received -1/,
    ],
    [
      [1, 4, 18],
      { strides: [1, 0] },
      undefined,
      /expected integers from 1 to \d+ for attribute strides but received 0/,
    ],
    [[1, 4, 18], { strides: [1, 1.5] }, undefined, /for attribute strides but received 1.5/],
    [
      [1, 4, 18],
      { alibi: [0.5, -0.5] },
      undefined,
      /expected numbers from 0 to \d+ for attribute alibi but received -0.5/,
    ],
    [[1, 4, 18], { windows: 3 }, undefined, /expected a list of numbers for attribute 'windows'/],
    [
      [1, 4, 18],
      { precision: 'f16' },
      undefined,
      /expected 'f32' or 'bf16' for attribute precision but received 'f16'/,
    ],
    [
      [1, 1, 1542],
      { heads: 2 },
      [
        [1, 1, 514],
        [1, 2, 1],
      ],
      /headDim 1 to 256/,
    ],
  ] as const)('%j %j', (shape, attrs, outputs, message) => {
    expect(() =>
      call(
        [...shape],
        attrs,
        outputs?.map((s) => [...s]),
      ),
    ).toThrow(message);
  });
});

describe('attention_last', () => {
  const call = (q: StepOperand, kv: StepOperand, variant: Partial<Variant>, attrs: AttentionPattern = {}) =>
    runStep(
      {
        kernel: 'attention_last',
        inputs: [q, kv],
        outputs: [{ shape: [kv.shape[0], kv.shape.at(-1)! / 2] }],
        attrs: { heads: 2, precision: variant.precision ?? 'f32', ...attrs },
      },
      { isa: variant.isa },
    )[0] as Float32Array;

  it.each(SETS_AND_PRECISIONS)('has the bits of attention with queries last on $isa in $precision', (variant) => {
    const patterns: Required<AttentionPattern>[] = [
      { windows: [0, 0], strides: [1, 1], alibi: [0, 0] },
      { windows: [7, 0], strides: [3, 1], alibi: [0.25, 0.5] },
    ];
    for (const attrs of patterns) {
      for (const steps of [1, 5, 37, 100]) {
        const [batch, width] = [3, 26];
        const qkv = drawn([batch, steps, 3 * width], steps);
        const rows = (from: number, to: number) =>
          Array.from({ length: batch * steps }, (_, row) =>
            qkv.data.subarray(row * 3 * width + from, row * 3 * width + to),
          );
        const last = rows(0, width).filter((_, row) => (row + 1) % steps === 0);
        const joined = (parts: readonly ArrayLike<number>[]) =>
          Float32Array.from(parts.flatMap((part) => Array.from(part)));
        const [o] = runStep(
          {
            kernel: 'attention',
            inputs: [qkv],
            outputs: [{ shape: [batch, 1, width] }],
            attrs: { heads: 2, causal: true, queries: 'last', precision: variant.precision, ...attrs },
          },
          { isa: variant.isa },
        );
        const kv = f32([batch, steps, 2 * width], joined(rows(width, 3 * width)));
        expect(sameBits(call(f32([batch, width], joined(last)), kv, variant, attrs), o), `${steps} steps`).toBe(true);
      }
    }
  });

  it.each([
    [[1, 6], [1, 4, 18], /expected \(B, T, 2 · heads · headDim\) with heads = 2.*for kv but received \(1, 4, 18\)/],
    [[2, 6], [1, 4, 12], /expected f32 \(1, 6\) for q but received f32 \(2, 6\)/],
    [[1, 1, 6], [1, 4, 12], /expected f32 \(1, 6\) for q but received f32 \(1, 1, 6\)/],
    [[1, 6], [4, 12], /expected f32 \(any, any, any\) for kv but received f32 \(4, 12\)/],
  ] as const)('refuses q %j with kv %j', (q, kv, message) => {
    const zeros = (shape: readonly number[]) => f32([...shape], new Float32Array(shape.reduce((a, b) => a * b)));
    expect(() => call(zeros(q), zeros(kv), {})).toThrow(message);
  });
});
