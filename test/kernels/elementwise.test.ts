import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { addOperation } from '../../src/graph/ops/add.js';
import { geluOperation } from '../../src/graph/ops/gelu.js';
import { geluGradOperation } from '../../src/graph/ops/gelu-grad.js';
import { mulOperation } from '../../src/graph/ops/mul.js';
import { reluOperation } from '../../src/graph/ops/relu.js';
import { reluGradOperation } from '../../src/graph/ops/relu-grad.js';
import { scaleOperation } from '../../src/graph/ops/scale.js';
import { standardizeOperation } from '../../src/graph/ops/standardize.js';
import type { Isa } from '../../src/native/index.js';
import { runStep, sameBits } from './one-step.js';
import { againstDefinition, defined, drawn, f32, SETS, SPECIAL } from './oracle.js';

const op = (operation: unknown) => operation as Operation<never>;

const SIZES = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 1000, 4099];
/** Every pair of special values. */
const LEFT = SPECIAL.flatMap((a) => SPECIAL.map(() => a));
const RIGHT = SPECIAL.flatMap(() => SPECIAL);

/** One rounding of float32, subnormals included; two where the formula has two. */
const roundings = (count: number) => (_: number, want: number) =>
  count * Math.max(2 ** -24 * Math.abs(want), 2 ** -149);

describe('elementwise', () => {
  it.each(SIZES)('relu, gelu, scale over %i elements', (n) => {
    const x = drawn([n], n, 3);
    againstDefinition(op(reluOperation), [x], { bound: () => 0, inPlace: [[0, 0]] });
    againstDefinition(op(geluOperation), [x], { bound: (_, __, i) => 2e-7 * Math.abs(x.data[i]), inPlace: [[0, 0]] });
    againstDefinition(op(scaleOperation), [x], { attrs: { factor: 0.1 }, bound: roundings(1.01), inPlace: [[0, 0]] });
  });

  it.each(SIZES)('gradients of relu and gelu over %i elements', (n) => {
    const [dy, x] = [drawn([n], n), drawn([n], n + 1, 3)];
    againstDefinition(op(reluGradOperation), [dy, x], {
      bound: () => 0,
      inPlace: [
        [0, 0],
        [0, 1],
      ],
    });
    againstDefinition(op(geluGradOperation), [dy, x], {
      bound: (_, __, i) => 3e-7 * Math.abs(dy.data[i]),
      inPlace: [
        [0, 0],
        [0, 1],
      ],
    });
  });

  it.each(SIZES)('add and mul over %i elements of one shape', (n) => {
    const inputs = [drawn([n], n), drawn([n], n + 1)];
    againstDefinition(op(addOperation), inputs, {
      bound: roundings(1),
      inPlace: [
        [0, 0],
        [0, 1],
      ],
    });
    againstDefinition(op(mulOperation), inputs, {
      bound: roundings(1),
      inPlace: [
        [0, 0],
        [0, 1],
      ],
    });
  });

  it.each([
    [[5, 1], [1]],
    [[7, 3], [3]],
    [[100, 6], [6]],
    [
      [3, 100, 6],
      [100, 6],
    ],
    [[33, 40], [40]],
    [[9, 255], [255]],
    [[9, 256], [256]],
    [[9, 257], [257]],
    [
      [2, 5, 300],
      [5, 300],
    ],
    [[4, 5], []],
    [[1, 5], [5]],
  ])('add and mul of %j and its suffix %j', (a, b) => {
    const inputs = [drawn(a, 1), drawn(b, 2)];
    againstDefinition(op(addOperation), inputs, { bound: roundings(1), inPlace: [[0, 0]] });
    againstDefinition(op(mulOperation), inputs, { bound: roundings(1), inPlace: [[0, 0]] });
  });

  it('treats NaN, infinities, zeros and subnormals as the formulas do', () => {
    const [a, b] = [f32([LEFT.length], LEFT), f32([RIGHT.length], RIGHT)];
    const special = f32([SPECIAL.length], SPECIAL);
    againstDefinition(op(addOperation), [a, b], { bound: roundings(1) });
    againstDefinition(op(mulOperation), [a, b], { bound: roundings(1) });
    againstDefinition(op(reluOperation), [special], { bound: () => 0 });
    againstDefinition(op(reluGradOperation), [a, b], { bound: () => 0 });
    againstDefinition(op(geluOperation), [special], { bound: (_, want) => 2e-7 * Math.abs(want) + 2 ** -149 });
    againstDefinition(op(scaleOperation), [special], { attrs: { factor: -2.5 }, bound: roundings(1) });
  });

  it('gelu is within 2e-7·|x| everywhere, and 0 far to the left', () => {
    const n = 20_001;
    const x = f32(
      [n],
      Float32Array.from({ length: n }, (_, i) => -10 + i * 0.001),
    );
    againstDefinition(op(geluOperation), [x], { bound: (_, __, i) => 2e-7 * Math.abs(x.data[i]) });
    const far = f32([4], [-6, -100, -1e10, -3e38]);
    for (const isa of SETS.slice(1)) {
      const [y] = runStep({ kernel: 'gelu', inputs: [far], outputs: [{ shape: [4] }] }, { isa });
      expect([...y].map(Math.abs), isa).toEqual([0, 0, 0, 0]);
    }
  });

  it.each([1, 15, 16, 17, 33, 100_003])('gelu_with_slope has the bits of gelu and gelu_grad, %i elements', (n) => {
    const data = drawn([n], n).data.slice();
    for (const [i, value] of [Number.NaN, Infinity, -Infinity, 0, -0, 1e-40, -6.5, 6.5].entries()) data[i * 3] = value;
    const x = f32([n], data);
    const one = f32([n], new Float32Array(n).fill(1));
    for (const isa of SETS) {
      const step = (
        kernel: string,
        inputs: (typeof x)[],
        outputs: { shape: number[]; inPlaceOf?: number }[],
        threads = 1,
      ) => runStep({ kernel, inputs, outputs }, { isa, threads });
      const want = [step('gelu', [x], [{ shape: [n] }])[0], step('gelu_grad', [one, x], [{ shape: [n] }])[0]];
      for (const inPlaceOf of [undefined, 0]) {
        const got = step('gelu_with_slope', [x], [{ shape: [n], inPlaceOf }, { shape: [n] }], 2);
        got.forEach((result, i) => {
          expect(sameBits(result, want[i]), `${isa} result ${i}`).toBe(true);
        });
      }
    }
  });

  it('gelu_grad is the slope of gelu', () => {
    const points = Float32Array.from({ length: 400 }, (_, i) => -8 + i * 0.04);
    const h = 1e-4;
    const at = (shift: number) =>
      defined(op(geluOperation), [{ shape: [400], data: Float64Array.from(points, (x) => x + shift) as never }], {})[0]
        .data;
    const [up, down] = [at(h), at(-h)];
    for (const isa of SETS) {
      const [slope] = runStep(
        {
          kernel: 'gelu_grad',
          inputs: [f32([400], new Float32Array(400).fill(1)), f32([400], points)],
          outputs: [{ shape: [400] }],
        },
        { isa },
      );
      for (let i = 0; i < 400; i++) expect(Math.abs(slope[i] - (up[i] - down[i]) / (2 * h))).toBeLessThan(1e-6);
    }
  });

  it('large arrays are split among threads without a change', () => {
    const n = 300_007;
    const x = drawn([n], 1);
    for (const [kernel, inputs, attrs] of [
      ['gelu', [x], {}],
      ['gelu_grad', [x, drawn([n], 2)], {}],
      ['add', [x, drawn([n], 2)], {}],
      ['mul', [f32([3, 100_000], x.data.subarray(0, 300_000)), drawn([100_000], 3)], {}],
      ['add', [f32([50_000, 6], x.data.subarray(0, 300_000)), drawn([6], 3)], {}],
      ['scale', [x], { factor: 3 }],
    ] as const) {
      const call = {
        kernel,
        inputs: [...inputs],
        outputs: [{ shape: inputs[0].shape }],
        attrs: { ...attrs } as { factor: number },
      };
      const one = runStep(call, { threads: 1 })[0];
      for (const threads of [2, 3, 7]) expect(sameBits(runStep(call, { threads })[0], one), kernel).toBe(true);
    }
  });
});

describe('standardize', () => {
  const formula = (x: ArrayLike<number>, mean: ArrayLike<number>, inverseStd: ArrayLike<number>, clip: number) =>
    Float32Array.from(x, (value, i) => {
      const z = Math.fround(Math.fround(value - mean[i % mean.length]) * inverseStd[i % mean.length]);
      return Number.isNaN(z) ? z : Math.min(Math.max(z, -Math.fround(clip)), Math.fround(clip));
    });
  const run = (shape: number[], clip: number, isa: Isa, data?: number[]) => {
    const columns = shape.at(-1) as number;
    const inputs = [data ? f32(shape, data) : drawn(shape, 1, 30, 5), drawn([columns], 2, 5), drawn([columns], 3)];
    const [y] = runStep({ kernel: 'standardize', inputs, outputs: [{ shape }], attrs: { clip } }, { isa, threads: 2 });
    return { y: y as Float32Array, want: formula(inputs[0].data, inputs[1].data, inputs[2].data, clip) };
  };

  it.each(SETS)('is two float32 roundings and a clamp, to the bit, on %s', (isa) => {
    for (const shape of [
      [1, 1],
      [5, 1],
      [100, 6],
      [3, 100, 6],
      [7, 40],
      [3, 255],
      [3, 257],
      [2, 1000],
      [40_000, 6],
    ]) {
      const { y, want } = run(shape, 10, isa);
      expect(sameBits(y, want), `${shape}`).toBe(true);
      expect(y.some((z) => z === 10) || y.length < 100).toBe(true);
    }
    const { y, want } = run([SPECIAL.length, 1], 3, isa, SPECIAL);
    expect(sameBits(y, want)).toBe(true);
    expect(Number.isNaN(y[SPECIAL.findIndex(Number.isNaN)])).toBe(true);
  });

  it('agrees with its definition', () => {
    againstDefinition(op(standardizeOperation), [drawn([50, 6], 1), drawn([6], 2), drawn([6], 3)], {
      attrs: { clip: 2 },
      bound: () => 1e-6,
      inPlace: [[0, 0]],
    });
  });
});

describe('elementwise steps refuse', () => {
  const run = (kernel: string, shapes: number[][], attrs = {}, output = shapes[0]) =>
    runStep({
      kernel,
      inputs: shapes.map((shape) => f32(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))),
      outputs: [{ shape: output }],
      attrs,
    });
  it.each([
    [
      'add',
      [[2, 3], [2]],
      {},
      undefined,
      /expected the last dimensions of a, f32 \(2, 3\), for b but received f32 \(2\)/,
    ],
    ['mul', [[3], [2, 3]], {}, undefined, /for b but received f32 \(2, 3\)/],
    ['relu', [[2, 3]], {}, [3, 2], /expected f32 \(2, 3\) for y but received f32 \(3, 2\)/],
    ['gelu_grad', [[2, 3], [6]], {}, undefined, /expected f32 \(2, 3\) for x but received f32 \(6\)/],
    ['gelu', [[2], [2]], {}, undefined, /expected 1 inputs but received 2/],
    ['scale', [[2]], {}, undefined, /attribute 'factor' is absent/],
    ['standardize', [[2, 6], [5], [6]], { clip: 10 }, undefined, /expected f32 \(6\) for mean but received f32 \(5\)/],
    [
      'standardize',
      [[2, 6], [6], [6]],
      { clip: 0 },
      undefined,
      /expected a positive number for attribute clip but received 0/,
    ],
  ] as const)('%s %j', (kernel, shapes, attrs, output, message) => {
    expect(() =>
      run(
        kernel,
        shapes.map((s) => [...s]),
        attrs,
        output ? [...output] : undefined,
      ),
    ).toThrow(message);
  });
  it('another dtype', () => {
    const x = { shape: [2], data: new Int32Array(2) };
    expect(() => runStep({ kernel: 'relu', inputs: [x], outputs: [{ shape: [2] }] })).toThrow(
      /expected f32 \(…\) for x but received i32 \(2\)/,
    );
  });
});
