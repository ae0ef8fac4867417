import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { sumRowsOperation } from '../../src/graph/ops/sum-rows.js';
import { sumSquaresOperation } from '../../src/graph/ops/sum-squares.js';
import { runStep, sameBits } from './one-step.js';
import { againstDefinition, drawn, f32, SETS } from './oracle.js';

const op = (operation: unknown) => operation as Operation<never>;

describe('sum_rows', () => {
  it.each([
    [1, 1],
    [3, 5],
    [4, 16],
    [31, 17],
    [33, 33],
    [64, 128],
    [2, 3, 70],
    [100, 8],
    [2049, 3],
    [6400, 33],
    [5, 3000],
  ])('is the definition for (%j, %j, %j)', (...shape) => {
    const sizes = shape.filter((size) => size !== undefined) as number[];
    const rows = sizes.slice(0, -1).reduce((a, b) => a * b);
    againstDefinition(op(sumRowsOperation), [drawn(sizes, 1)], {
      bound: () => 2 ** -24 * (rows / 64 + 8) * Math.sqrt(rows),
    });
  });

  it.each(SETS)('keeps NaN and infinity in their columns, on %s', (isa) => {
    for (const row of [0, 5, 32, 98]) {
      const x = drawn([99, 21], 1).data.slice() as Float32Array;
      x[row * 21 + 3] = Number.NaN;
      x[row * 21 + 20] = Number.NEGATIVE_INFINITY;
      const [sum] = runStep({ kernel: 'sum_rows', inputs: [f32([99, 21], x)], outputs: [{ shape: [21] }] }, { isa });
      expect([...sum].map((v) => (Number.isNaN(v) ? 'NaN' : Number.isFinite(v) ? '' : v)).join()).toBe(
        `,,,NaN${','.repeat(17)}-Infinity`,
      );
    }
  });

  it('cuts rows into chunks by the shape alone', () => {
    const call = { kernel: 'sum_rows', inputs: [drawn([9000, 61], 1)], outputs: [{ shape: [61] }] };
    const one = runStep(call, { threads: 1 })[0];
    for (const threads of [2, 3, 16]) expect(sameBits(runStep(call, { threads })[0], one)).toBe(true);
  });
});

describe('sum_squares', () => {
  it.each([1, 2, 15, 16, 17, 63, 64, 65, 1000, 8191, 8192, 8193, 100_003])('is the definition for %i elements', (n) => {
    againstDefinition(op(sumSquaresOperation), [drawn([n], n)], { bound: (_, want) => 3e-6 * want });
  });

  it.each(SETS)('shows NaN, infinity and overflow, on %s', (isa) => {
    const of = (values: number[]) =>
      runStep(
        { kernel: 'sum_squares', inputs: [f32([values.length], values)], outputs: [{ shape: [1] }] },
        { isa },
      )[0][0];
    const zeros: number[] = Array(50).fill(0);
    expect(of([...zeros, Number.NaN])).toBeNaN();
    expect(of([Number.NEGATIVE_INFINITY, ...zeros])).toBe(Infinity);
    expect(of([1e20, ...zeros])).toBe(Infinity);
    expect(of([1e-30, -0, 0])).toBe(0);
  });

  it('adds chunks in their order, whatever the threads', () => {
    const call = { kernel: 'sum_squares', inputs: [drawn([700_001], 1)], outputs: [{ shape: [1] }] };
    const one = runStep(call, { threads: 1 })[0];
    for (const threads of [2, 5]) expect(sameBits(runStep(call, { threads })[0], one)).toBe(true);
  });
});
