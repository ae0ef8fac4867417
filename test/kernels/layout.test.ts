import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { concatOperation } from '../../src/graph/ops/concat.js';
import { selectStepOperation } from '../../src/graph/ops/select-step.js';
import { selectStepGradOperation } from '../../src/graph/ops/select-step-grad.js';
import { sliceOperation } from '../../src/graph/ops/slice.js';
import { runStep } from './one-step.js';
import { againstDefinition, drawn, f32, SPECIAL } from './oracle.js';

const op = (operation: unknown) => operation as Operation<never>;
const exactly = { bound: () => 0 };

describe('select_step and its gradient', () => {
  it.each([
    [1, 1, 1],
    [2, 5, 3],
    [3, 100, 128],
    [64, 7, 33],
    [4000, 3, 5],
  ])('are the definition for (%i, %i, %i)', (batch, steps, columns) => {
    for (const index of [0, steps - 1, Math.floor(steps / 2)]) {
      againstDefinition(op(selectStepOperation), [drawn([batch, steps, columns], 1)], { attrs: { index }, ...exactly });
      againstDefinition(op(selectStepGradOperation), [drawn([batch, columns], 1)], {
        attrs: { index, steps },
        ...exactly,
      });
    }
  });

  it('take −1 as the last step', () => {
    const x = drawn([3, 4, 5], 1);
    const select = (index: number) =>
      runStep({ kernel: 'select_step', inputs: [x], outputs: [{ shape: [3, 5] }], attrs: { index } })[0];
    expect(select(-1)).toEqual(select(3));
    const place = (index: number) =>
      runStep({
        kernel: 'select_step_grad',
        inputs: [drawn([3, 5], 1)],
        outputs: [{ shape: [3, 4, 5] }],
        attrs: { index, steps: 4 },
      })[0];
    expect(place(-1)).toEqual(place(3));
  });

  it('refuse an index outside the steps', () => {
    const select = (index: number) =>
      runStep({ kernel: 'select_step', inputs: [drawn([2, 5, 3], 1)], outputs: [{ shape: [2, 3] }], attrs: { index } });
    expect(() => select(5)).toThrow(/expected an integer from -1 to 4 for attribute index but received 5/);
    expect(() => select(-2)).toThrow(/for attribute index but received -2/);
    expect(() => select(1.5)).toThrow(/for attribute index but received 1\.5/);
  });
});

describe('concat', () => {
  it.each([
    [[4], [1]],
    [[2], [1, 2, 3]],
    [[7], [64, 33, 3]],
    [
      [2, 3],
      [5, 5],
    ],
    [[3000], [9, 9, 9]],
    [[5], [128, 1, 128, 1]],
  ])('is the definition for rows %j, columns %j', (rows, columns) => {
    againstDefinition(
      op(concatOperation),
      columns.map((n, i) => drawn([...rows, n], i)),
      exactly,
    );
  });

  it('moves special values unchanged', () => {
    const [y] = runStep({
      kernel: 'concat',
      inputs: [f32([1, SPECIAL.length], SPECIAL), f32([1, 1], [-0])],
      outputs: [{ shape: [1, SPECIAL.length + 1] }],
    });
    [...SPECIAL.map(Math.fround), -0].forEach((value, i) => {
      expect(Object.is(y[i], value)).toBe(true);
    });
  });

  it('refuses columns that do not add up and rows that differ', () => {
    const concat = (shapes: number[][], output: number[]) =>
      runStep({ kernel: 'concat', inputs: shapes.map((s) => drawn(s, 1)), outputs: [{ shape: output }] });
    expect(() =>
      concat(
        [
          [2, 3],
          [2, 4],
        ],
        [2, 8],
      ),
    ).toThrow(/sum to 8, those of y, but received 7/);
    expect(() =>
      concat(
        [
          [2, 3],
          [2, 9],
        ],
        [2, 8],
      ),
    ).toThrow(/sum to 8, those of y, but received 12/);
    expect(() =>
      concat(
        [
          [2, 3],
          [3, 5],
        ],
        [2, 8],
      ),
    ).toThrow(/expected f32 \(2, any\) for input 1 but received f32 \(3, 5\)/);
  });
});

describe('slice', () => {
  it.each([
    [[5, 10], 0, 10],
    [[5, 10], 3, 4],
    [[2, 3, 384], 128, 128],
    [[7, 33], 32, 1],
    [[5000, 9], 1, 7],
  ])('is the definition for %j from %i, %i columns', (shape, start, length) => {
    againstDefinition(op(sliceOperation), [drawn(shape, 1)], { attrs: { start, length }, ...exactly });
  });

  it('refuses columns that are not there', () => {
    const slice = (start: number, length: number) =>
      runStep({
        kernel: 'slice',
        inputs: [drawn([2, 5], 1)],
        outputs: [{ shape: [2, length] }],
        attrs: { start, length },
      });
    expect(() => slice(2, 4)).toThrow(/expected an integer from 0 to 3 for attribute length but received 4/);
    expect(() => slice(6, 1)).toThrow(/expected an integer from 0 to 5 for attribute start but received 6/);
    expect(() => slice(-1, 1)).toThrow(/for attribute start but received -1/);
  });
});
