import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { softmaxOperation } from '../../src/graph/ops/softmax.js';
import { softmaxCrossEntropyOperation } from '../../src/graph/ops/softmax-cross-entropy.js';
import { softmaxCrossEntropyGradOperation } from '../../src/graph/ops/softmax-cross-entropy-grad.js';
import type { Isa } from '../../src/native/index.js';
import { runStep, sameBits } from './one-step.js';
import { againstDefinition, defined, drawn, expectClose, f32, i32, SETS } from './oracle.js';

const softmax = softmaxOperation as unknown as Operation<never>;
const loss = softmaxCrossEntropyOperation as unknown as Operation<never>;
const gradient = softmaxCrossEntropyGradOperation as unknown as Operation<never>;

const SHAPES = [
  [1, 1],
  [1, 3],
  [64, 3],
  [5, 7],
  [3, 8],
  [9, 16],
  [4, 17],
  [33, 100],
  [2, 1000],
  [3000, 3],
];

/** Classes of each row, about every fourth one ignored. */
const targets = (rows: number, classes: number) =>
  i32(
    [rows],
    Array.from({ length: rows }, (_, r) => (r % 4 === 2 ? -1 : (r * 7) % classes)),
  );

const run = (logits: number[][], target: number[], smoothing: number, isa: Isa) => {
  const shape = [logits.length, logits[0].length];
  const [value, probs] = runStep(
    {
      kernel: 'softmax_cross_entropy',
      inputs: [f32(shape, logits.flat()), i32([shape[0]], target)],
      outputs: [{ shape: [1] }, { shape }],
      attrs: { smoothing },
    },
    { isa },
  );
  return { value: value[0], probs };
};

describe('softmax', () => {
  it.each(SHAPES)('is the definition for (%i, %i)', (rows, columns) => {
    againstDefinition(softmax, [drawn([rows, columns], 1, 4)], {
      bound: (_, want) => 8e-6 * want + 1e-40,
      inPlace: [[0, 0]],
    });
  });

  it.each(SETS)('is the limit for infinities, huge and equal logits, on %s', (isa) => {
    const softmaxOf = (x: number[]) => [
      ...runStep({ kernel: 'softmax', inputs: [f32([x.length], x)], outputs: [{ shape: [x.length] }] }, { isa })[0],
    ];
    expect(softmaxOf([1e30, 0, -1e30])).toEqual([1, 0, 0]);
    expect(softmaxOf([-Infinity, 5, -Infinity])).toEqual([0, 1, 0]);
    expect(softmaxOf([3e38, 3e38])).toEqual([0.5, 0.5]);
    expect(softmaxOf([-3e38, -3e38])).toEqual([0.5, 0.5]);
    for (const x of [
      [-Infinity, -Infinity],
      [Infinity, 0],
      [Number.NaN, 0, 1],
      [0, 1, Number.NaN],
    ]) {
      const y = softmaxOf(x);
      if (x.includes(Infinity)) expect(y[0]).toBeNaN();
      else expect(y.every(Number.isNaN), `${x}`).toBe(true);
    }
  });
});

describe('softmax_cross_entropy', () => {
  it.each(SHAPES)('is the definition for (%i, %i)', (rows, classes) => {
    for (const smoothing of [0, 0.1, 1]) {
      againstDefinition(loss, [drawn([rows, classes], 1, 3), targets(rows, classes)], {
        attrs: { smoothing },
        bound: (result, want) => (result === 0 ? 2e-6 : 8e-6) * (Math.abs(want) + (result === 0 ? 1 : 1e-30)),
      });
    }
  });

  it.each(SETS)('ignores rows of target −1; 0 when all are, on %s', (isa) => {
    const rows = [
      [1, 2, 3],
      [Number.NaN, Number.NaN, Number.NaN],
      [3, -1, 0.5],
    ];
    const both = run(rows, [2, -1, 0], 0.1, isa);
    const alone = run([rows[0], rows[2]], [2, 0], 0.1, isa);
    expect(both.value).toBe(alone.value);
    expect(run(rows, [-1, -1, -1], 0.1, isa).value).toBe(0);
  });

  it.each(SETS)('shows a wrong target as NaN, on %s', (isa) => {
    for (const wrong of [3, 1000, -2, 2 ** 31 - 1, -(2 ** 31)]) {
      expect(
        run(
          [
            [1, 2, 3],
            [1, 2, 3],
          ],
          [0, wrong],
          0,
          isa,
        ).value,
      ).toBeNaN();
      const [dlogits] = runStep(
        {
          kernel: 'softmax_cross_entropy_grad',
          inputs: [f32([1], [1]), f32([2, 3], Array(6).fill(1 / 3)), i32([2], [0, wrong])],
          outputs: [{ shape: [2, 3] }],
          attrs: { smoothing: 0 },
        },
        { isa },
      );
      expect([...dlogits].map(Number.isNaN)).toEqual([false, false, false, true, true, true]);
    }
  });

  it.each(SETS)('is exact at the ends, on %s', (isa) => {
    expect(run([[1000, 0, -1000]], [0], 0, isa).value).toBe(0);
    expectClose(Float32Array.of(run([[1000, 0, -1000]], [2], 0, isa).value), [2000], () => 0);
    // Without smoothing, classes that cannot be do not matter; with it they cost everything.
    expectClose(Float32Array.of(run([[0, -Infinity, 0]], [0], 0, isa).value), [Math.log(2)], () => 1e-7);
    expect(run([[0, -Infinity, 0]], [1], 0, isa).value).toBe(Infinity);
    expect(run([[0, -Infinity, 0]], [0], 0.1, isa).value).toBe(Infinity);
    expect(run([[0, Number.NaN, 0]], [0], 0, isa).value).toBeNaN();
  });
});

describe('softmax_cross_entropy_grad', () => {
  it.each(SHAPES)('is the definition for (%i, %i)', (rows, classes) => {
    const probs = defined(softmax, [drawn([rows, classes], 1, 2)], {})[0];
    for (const smoothing of [0, 0.1]) {
      againstDefinition(gradient, [f32([1], [1.7]), f32(probs.shape, probs.data), targets(rows, classes)], {
        attrs: { smoothing },
        bound: () => 4e-7,
        inPlace: [[0, 1]],
      });
    }
  });

  it.each(SETS)('is the slope of the loss, on %s', (isa) => {
    const [logits, target, attrs] = [drawn([6, 5], 1, 2), targets(6, 5), { smoothing: 0.1 }];
    const [, probs] = defined(loss, [logits, target], attrs);
    const [dlogits] = runStep(
      {
        kernel: 'softmax_cross_entropy_grad',
        inputs: [f32([1], [1]), f32([6, 5], probs.data), target],
        outputs: [{ shape: [6, 5] }],
        attrs,
      },
      { isa },
    );
    for (let i = 0; i < 30; i++) {
      const at = (h: number) => {
        const data = Float64Array.from(logits.data);
        data[i] += h;
        return defined(loss, [{ shape: [6, 5], data: data as never }, target], attrs)[0].data[0];
      };
      expect(Math.abs(dlogits[i] - (at(1e-5) - at(-1e-5)) / 2e-5)).toBeLessThan(1e-7);
    }
  });

  it('is 0 everywhere when all rows are ignored', () => {
    const inputs = [f32([1], [1]), f32([2, 3], Array(6).fill(1 / 3)), i32([2], [-1, -1])];
    const call = {
      kernel: 'softmax_cross_entropy_grad',
      inputs,
      outputs: [{ shape: [2, 3] }],
      attrs: { smoothing: 0.1 },
    };
    expect([...runStep(call)[0]]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

describe('loss steps', () => {
  it('give the same bits for any number of threads', () => {
    const [rows, classes] = [20_000, 11];
    const [logits, target] = [drawn([rows, classes], 1), targets(rows, classes)];
    const call = {
      kernel: 'softmax_cross_entropy',
      inputs: [logits, target],
      outputs: [{ shape: [1] }, { shape: [rows, classes] }],
      attrs: { smoothing: 0.1 },
    };
    const one = runStep(call, { threads: 1 });
    for (const threads of [2, 5]) {
      runStep(call, { threads }).forEach((output, r) => {
        expect(sameBits(output, one[r])).toBe(true);
      });
    }
  });

  it.each([
    [[2, 3], [3], 0, /expected i32 \(2\) for target but received i32 \(3\)/],
    [[6], [6], 0, /expected f32 \(any, any\) for logits but received f32 \(6\)/],
    [[2, 3], [2], 1.5, /expected a number from 0 to 1 for attribute smoothing but received 1\.5/],
  ] as const)('refuse logits %j, targets %j, smoothing %d', (shape, rows, smoothing, message) => {
    const inputs = [drawn([...shape], 1), i32([...rows], new Int32Array(rows[0]))];
    const outputs = [{ shape: [1] }, { shape: [...shape] }];
    expect(() => runStep({ kernel: 'softmax_cross_entropy', inputs, outputs, attrs: { smoothing } })).toThrow(message);
  });
});
