import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { embeddingOperation } from '../../src/graph/ops/embedding.js';
import { embeddingGradOperation } from '../../src/graph/ops/embedding-grad.js';
import { runStep, type StepOperand } from './one-step.js';
import { againstDefinition, drawn, f32, i32, SPECIAL } from './oracle.js';

const op = (operation: unknown) => operation as Operation<never>;

/** Indices from −2 to count + 1 without order, most of them within the table. */
function scattered(positions: number, count: number): StepOperand {
  return i32(
    [positions],
    Array.from({ length: positions }, (_, i) => ((i * 7919) % (count + 4)) - 2),
  );
}

describe('embedding and its gradient', () => {
  it.each([
    [1, 1, 1],
    [3, 5, 7],
    [100, 33, 16],
    [1000, 2, 9000],
    [7, 128, 3000],
    [5000, 64, 10],
  ])('are the definition for %i rows of %i, %i positions', (count, columns, positions) => {
    const indices = scattered(positions, count);
    for (const padding of [-1, count - 1]) {
      againstDefinition(op(embeddingOperation), [drawn([count, columns], 1), indices], {
        attrs: { padding },
        bound: () => 0,
      });
      againstDefinition(op(embeddingGradOperation), [drawn([positions, columns], 1), indices], {
        attrs: { count, padding },
        bound: () => (positions / count + 4) * 2 ** -20,
      });
    }
  });

  it('move special values unchanged, and give NaN for an index outside the table', () => {
    const [y] = runStep({
      kernel: 'embedding',
      inputs: [
        f32(
          [2, SPECIAL.length],
          [...SPECIAL, ...SPECIAL].map((x, i) => (i < SPECIAL.length ? 1 : x)),
        ),
        i32([2], [1, 2]),
      ],
      outputs: [{ shape: [2, SPECIAL.length] }],
      attrs: { padding: -1 },
    });
    [...SPECIAL.map(Math.fround), ...SPECIAL.map(() => Number.NaN)].forEach((value, i) => {
      expect(Object.is(y[i], value), `${i}`).toBe(true);
    });
  });

  it('refuse operands and attributes that do not fit', () => {
    const lookup = (indices: StepOperand, output: number[], padding = -1) =>
      runStep({
        kernel: 'embedding',
        inputs: [drawn([4, 3], 1), indices],
        outputs: [{ shape: output }],
        attrs: { padding },
      });
    expect(() => lookup(drawn([2], 1), [2, 3])).toThrow(/expected i32 \(…, any\) for indices but received f32 \(2\)/);
    expect(() => lookup(i32([2], [0, 1]), [2, 4])).toThrow(/expected f32 \(2, 3\) for y but received f32 \(2, 4\)/);
    expect(() => lookup(i32([2], [0, 1]), [2, 3], 4)).toThrow(
      /an integer from -1 to 3 for attribute padding but received 4/,
    );
    const gradient = (dy: number[], count: number, output: number[]) =>
      runStep({
        kernel: 'embedding_grad',
        inputs: [drawn(dy, 1), i32([2], [0, 1])],
        outputs: [{ shape: output }],
        attrs: { count, padding: -1 },
      });
    expect(() => gradient([3, 5], 4, [4, 5])).toThrow(/expected f32 \(2, any\) for dy but received f32 \(3, 5\)/);
    expect(() => gradient([2, 5], 4, [3, 5])).toThrow(/expected f32 \(4, 5\) for dtable but received f32 \(3, 5\)/);
    expect(() => gradient([2, 5], 0, [1, 5])).toThrow(/for attribute count but received 0/);
  });
});
