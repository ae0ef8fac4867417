import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { layerNormOperation } from '../../src/graph/ops/layer-norm.js';
import { layerNormGradOperation } from '../../src/graph/ops/layer-norm-grad.js';
import { sumRowsOperation } from '../../src/graph/ops/sum-rows.js';
import { runStep, type StepOperand, sameBits } from './one-step.js';
import { againstDefinition, defined, drawn, expectClose, f32, SETS } from './oracle.js';

const forward = layerNormOperation as unknown as Operation<never>;
const backward = layerNormGradOperation as unknown as Operation<never>;
const attrs = { eps: 1e-5 };

const SHAPES = [
  [1, 1],
  [3, 2],
  [5, 7],
  [2, 3, 8],
  [9, 16],
  [4, 17],
  [70, 33],
  [10, 64],
  [100, 128],
  [3, 130],
  [1, 1000],
  [640, 128],
];

describe('layer_norm', () => {
  it.each(SHAPES)('is the definition for (%j, %j, %j)', (...shape) => {
    const sizes = shape.filter((size) => size !== undefined) as number[];
    const columns = sizes.at(-1) as number;
    const inputs = [drawn(sizes, 1, 2, 3), drawn([columns], 2), drawn([columns], 3)];
    againstDefinition(forward, inputs, {
      attrs,
      bound: (result, want) => (result === 0 ? 4e-6 : 1e-6) * (1 + Math.abs(want)),
      inPlace: [[0, 0]],
    });
  });

  it('is accurate for rows far from zero', () => {
    const x = drawn([4, 128], 1, 1, 10_000);
    againstDefinition(forward, [x, drawn([128], 2), drawn([128], 3)], {
      attrs,
      // The mean is rounded to float32: 1e4·2^-24 of a deviation of 1.
      bound: (_, want) => 2e-3 * (1 + Math.abs(want)),
    });
  });

  it.each(SETS)('gives beta for constant rows, on %s', (isa) => {
    for (const value of [0, 1, -7.25, 1e10, 1e-40]) {
      for (const columns of [1, 5, 16, 128, 133]) {
        const beta = drawn([columns], 3);
        const [y, mean] = runStep(
          {
            kernel: 'layer_norm',
            inputs: [f32([2, columns], Array(2 * columns).fill(value)), drawn([columns], 2), beta],
            outputs: [{ shape: [2, columns] }, { shape: [2] }, { shape: [2] }],
            attrs,
          },
          { isa },
        );
        expectClose(mean, Array(2).fill(Math.fround(value)), (want) => 2e-7 * Math.abs(want), 'mean');
        // A mean that is off by one rounding shows as a deviation of that rounding only where it is small against eps.
        const slack = Math.min(3, Math.abs(value) * 2 ** -23 * 400);
        expectClose(y, [...beta.data, ...beta.data], () => slack * 4 + 1e-7, `y of ${value}`);
      }
    }
  });

  it.each(SETS)('spoils the row of a NaN or infinity and no other, on %s', (isa) => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const column of [0, 17, 36]) {
        const x = drawn([5, 37], 1).data.slice() as Float32Array;
        x[2 * 37 + column] = bad;
        const [y, mean, rstd] = runStep(
          {
            kernel: 'layer_norm',
            inputs: [f32([5, 37], x), drawn([37], 2), drawn([37], 3)],
            outputs: [{ shape: [5, 37] }, { shape: [5] }, { shape: [5] }],
            attrs,
          },
          { isa },
        );
        for (let row = 0; row < 5; row++) {
          const values = y.subarray(row * 37, row * 37 + 37) as Float32Array;
          expect(values.every(row === 2 ? Number.isNaN : Number.isFinite), `row ${row}`).toBe(true);
          expect(Number.isFinite(mean[row]) && Number.isFinite(rstd[row])).toBe(row !== 2);
        }
      }
    }
  });

  it('may leave out mean and rstd', () => {
    const inputs = [drawn([4, 12], 1), drawn([12], 2), drawn([12], 3)];
    const [full] = runStep({
      kernel: 'layer_norm',
      inputs,
      outputs: [{ shape: [4, 12] }, { shape: [4] }, { shape: [4] }],
      attrs,
    });
    const [alone] = runStep({ kernel: 'layer_norm', inputs, outputs: [{ shape: [4, 12] }], attrs });
    expect(sameBits(alone, full)).toBe(true);
  });
});

describe('layer_norm_grad', () => {
  const operands = (shape: number[]): StepOperand[] => {
    const columns = shape.at(-1) as number;
    const [x, gamma] = [drawn(shape, 1, 2, 3), drawn([columns], 2)];
    const [, mean, rstd] = defined(forward, [x, gamma, drawn([columns], 3)], attrs);
    return [drawn(shape, 4), x, gamma, f32(mean.shape, mean.data), f32(rstd.shape, rstd.data)];
  };

  it.each(SHAPES.slice(1))('is the definition for (%j, %j, %j)', (...shape) => {
    const sizes = shape.filter((size) => size !== undefined) as number[];
    const rows = sizes.slice(0, -1).reduce((a, b) => a * b);
    againstDefinition(backward, operands(sizes), {
      attrs,
      bound: (result, want) => (result === 0 ? 1e-5 : 2e-6 * Math.sqrt(rows) * 4) + 1e-5 * Math.abs(want),
      inPlace: [
        [0, 0],
        [0, 1],
      ],
    });
  });

  it.each(SETS)('is the slope of layer_norm, on %s', (isa) => {
    const shape = [3, 19];
    const [x, gamma, beta, dy] = [drawn(shape, 1, 2, 3), drawn([19], 2), drawn([19], 3), drawn(shape, 4)];
    const loss = (inputs: StepOperand[]) =>
      defined(forward, inputs, attrs)[0].data.reduce((sum, y, i) => sum + y * dy.data[i], 0);
    const [, mean, rstd] = defined(forward, [x, gamma, beta], attrs);
    const gradients = runStep(
      {
        kernel: 'layer_norm_grad',
        inputs: [dy, x, gamma, f32([3], mean.data), f32([3], rstd.data)],
        outputs: [{ shape }, { shape: [19] }, { shape: [19] }],
        attrs,
      },
      { isa },
    );
    [x, gamma, beta].forEach((operand, which) => {
      for (let i = 0; i < operand.data.length; i++) {
        const shifted = (h: number) => {
          const data = Float64Array.from(operand.data);
          data[i] += h;
          const inputs = [x, gamma, beta];
          inputs[which] = { shape: operand.shape, data: data as never };
          return loss(inputs);
        };
        const slope = (shifted(1e-4) - shifted(-1e-4)) / 2e-4;
        expect(Math.abs(gradients[which][i] - slope), `operand ${which} element ${i}`).toBeLessThan(2e-5);
      }
    });
  });

  it.each(SETS)('adds a residual to dx as add would, in place too, on %s', (isa) => {
    const [shape, columns] = [[37, 45], [45]];
    const inputs = [...operands(shape), drawn(shape, 5)];
    const call = (count: number, inPlaceOf?: number) =>
      runStep(
        {
          kernel: 'layer_norm_grad',
          inputs: inputs.slice(0, count),
          outputs: [{ shape, inPlaceOf }, { shape: columns }, { shape: columns }],
          attrs,
        },
        { isa },
      );
    const [dx, ...sums] = call(5) as Float32Array[];
    const want = dx.map((value, i) => Math.fround(value + inputs[5].data[i]));
    for (const inPlaceOf of [undefined, 0, 5]) {
      const got = call(6, inPlaceOf) as Float32Array[];
      expect(sameBits(got[0], want), `in place of ${inPlaceOf}`).toBe(true);
      expect([sameBits(got[1], sums[0]), sameBits(got[2], sums[1])]).toEqual([true, true]);
    }
  });

  it('adds many rows in chunks whose cut does not depend on threads', () => {
    const inputs = operands([5003, 40]);
    const call = {
      kernel: 'layer_norm_grad',
      inputs,
      outputs: [{ shape: [5003, 40] }, { shape: [40] }, { shape: [40] }],
      attrs,
    };
    const one = runStep(call, { threads: 1 });
    for (const threads of [2, 3, 8]) {
      runStep(call, { threads }).forEach((output, r) => {
        expect(sameBits(output, one[r]), `result ${r}`).toBe(true);
      });
    }
  });
});

describe('dropout_add_norm_grad', () => {
  const rng = { shape: [4], data: Uint32Array.of(1, 2, 3, 0) };
  const drawing = { p: 0.25, stream: 6 };

  it.each(SETS)('has the bits of layer_norm_grad and dropout, for any number of threads, on %s', (isa) => {
    for (const shape of [
      [3, 5],
      [70, 33],
      [5, 3, 24],
      [1203, 40],
    ]) {
      const d = shape.at(-1) as number;
      const [x, gamma, beta] = [drawn(shape, 1, 2, 3), drawn([d], 2), drawn([d], 3)];
      const [, mean, rstd] = defined(forward, [x, gamma, beta], attrs);
      const inputs = [
        drawn(shape, 4),
        x,
        gamma,
        f32(mean.shape, mean.data),
        f32(rstd.shape, rstd.data),
        drawn(shape, 5),
      ];
      const rows = [{ shape }, { shape: [d] }, { shape: [d] }];
      const norm = runStep({ kernel: 'layer_norm_grad', inputs, outputs: rows, attrs }, { isa }) as Float32Array[];
      const dropped = {
        kernel: 'dropout',
        inputs: [{ shape, data: norm[0] }, rng],
        outputs: [{ shape }],
        attrs: drawing,
      };
      const [dx] = runStep(dropped, { isa }) as Float32Array[];
      const [bias] = defined(sumRowsOperation as never, [{ shape, data: dx }], {});
      for (const threads of [1, 2, 5]) {
        const call = { kernel: 'dropout_add_norm_grad', inputs: [...inputs, rng], attrs: drawing };
        const got = runStep({ ...call, outputs: [...rows, ...rows.slice(0, 2)] }, { isa, threads }) as Float32Array[];
        for (const [i, want] of [...norm, dx].entries())
          expect(sameBits(got[i], want), `result ${i} ${shape}`).toBe(true);
        const magnitude = Math.max(...dx.map(Math.abs)) * (dx.length / d);
        expectClose(got[4], bias.data, () => 2 ** -22 * magnitude);
      }
    }
  });

  it('refuses a dx in the memory of what is still read', () => {
    const shape = [2, 8];
    const inputs = [
      ...[1, 2].map((seed) => drawn(shape, seed)),
      drawn([8], 3),
      drawn([2], 4),
      drawn([2], 5),
      drawn(shape, 6),
      rng,
    ];
    const sums = { shape: [8] };
    const outputs = [{ shape }, sums, sums, { shape, inPlaceOf: 1 }, sums];
    const call = () => runStep({ kernel: 'dropout_add_norm_grad', inputs, outputs, attrs: drawing });
    expect(call).toThrow(/must not share memory with sum/);
  });
});

describe('layer_norm refuses', () => {
  it.each([
    [[[2, 128], [64], [128]], 1e-5, /expected f32 \(128\) for gamma but received f32 \(64\)/],
    [[[2, 128], [128], [1, 128]], 1e-5, /expected f32 \(128\) for beta but received f32 \(1, 128\)/],
    [[[2, 128], [128], [128]], -1, /expected a number of at least 0 for attribute eps but received -1/],
  ] as const)('%j, eps %d', (shapes, eps, message) => {
    const inputs = shapes.map((shape) => drawn([...shape], 1));
    expect(() => runStep({ kernel: 'layer_norm', inputs, outputs: [{ shape: [2, 128] }], attrs: { eps } })).toThrow(
      message,
    );
  });
});
