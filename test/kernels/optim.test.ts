import { describe, expect, it } from 'vitest';
import type { Attributes, Operation } from '../../src/graph/operation.js';
import { ascendListOperation } from '../../src/graph/ops/ascend-list.js';
import { blendListOperation } from '../../src/graph/ops/blend-list.js';
import { centreListOperation } from '../../src/graph/ops/centre-list.js';
import { clampListOperation } from '../../src/graph/ops/clamp-list.js';
import { clipNormOperation } from '../../src/graph/ops/clip-norm.js';
import { unscaleListOperation } from '../../src/graph/ops/unscale-list.js';
import { updateAdamOperation } from '../../src/graph/ops/update-adam.js';
import { updateLambOperation } from '../../src/graph/ops/update-lamb.js';
import { updateSgdOperation } from '../../src/graph/ops/update-sgd.js';
import type { Isa } from '../../src/native/index.js';
import { runStep, type StepOperand, sameBits } from './one-step.js';
import { againstDefinition, defined, drawn, expectClose, f32, SETS } from './oracle.js';

/** Sizes around the vectors, one longer than a stretch, and one of two axes. */
const SHAPES = [[1], [15], [16], [17], [33], [9, 70], [2, 3, 5], [20_003]];

interface ListStep {
  operation: Operation<never>;
  each: number;
  stored: number[];
  extra?: number;
  attrs?: Attributes;
}
const op = (operation: unknown) => operation as Operation<never>;
const ADAM: ListStep = { operation: op(updateAdamOperation), each: 4, stored: [0, 2, 3] };
const LAMB: ListStep = { operation: op(updateLambOperation), each: 4, stored: [0, 2, 3] };
const SGD: ListStep = { operation: op(updateSgdOperation), each: 3, stored: [0, 2] };

/** The state is in the arena here, so that it starts from the inputs at every run. */
function run(
  { operation, each, stored, extra = 0, attrs = {} }: ListStep,
  inputs: StepOperand[],
  tensors: number,
  isa: Isa,
  threads = 1,
) {
  const places = Array.from({ length: tensors }, (_, t) => stored.map((k) => t * each + k)).flat();
  const outputs = [
    ...places.map((inPlaceOf) => ({ shape: inputs[inPlaceOf].shape, inPlaceOf })),
    ...Array.from({ length: extra }, () => ({ shape: [1] })),
  ];
  return runStep(
    { kernel: operation.name, inputs, outputs, attrs: attrs as never },
    { isa, threads },
  ) as Float32Array[];
}

/** Runs the step on every set, with one, three and five threads, and compares with the definition. */
function compare(
  step: ListStep,
  lists: StepOperand[][],
  shared: StepOperand[],
  bound: (want: number, result: number, i: number) => number,
) {
  const inputs = [...lists.flat(), ...shared];
  const expected = defined(step.operation, inputs, step.attrs ?? {});
  for (const isa of SETS) {
    const outputs = run(step, inputs, lists.length, isa);
    expected.forEach(({ data }, r) => {
      expectClose(outputs[r], data, (want, i) => bound(want, r, i), `${step.operation.name}, result ${r} on ${isa}`);
    });
    for (const threads of [3, 5]) {
      run(step, inputs, lists.length, isa, threads).forEach((output, r) => {
        expect(sameBits(output, outputs[r]), `${threads} threads, result ${r}`).toBe(true);
      });
    }
  }
}

/** [param, grad, m, v] of each shape; v is positive. */
const moments = (shapes = SHAPES): StepOperand[][] =>
  shapes.map((shape, t) => {
    const v = drawn(shape, 40 + t, 0.01);
    return [
      drawn(shape, 10 + t),
      drawn(shape, 20 + t, 0.1),
      drawn(shape, 30 + t, 0.1),
      f32(shape, v.data.map(Math.abs)),
    ];
  });
const hyperOf = (rows: number[][]) =>
  f32(
    [rows.length, 8],
    rows.flatMap((row) => [...row, ...new Array(8 - row.length).fill(0)]),
  );
const adamRow = (step: number, a: number, b: number, { lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = {}) => [
  lr,
  beta1,
  beta2,
  eps,
  1 - beta1 ** step,
  1 - beta2 ** step,
  a,
  b,
];
const one = f32([1], [1]);

describe('update_adam', () => {
  it.each([1, 10, 10_000])('is the definition at step %i, each tensor with its own numbers', (step) => {
    const lists = moments();
    const rows = lists.map((_, t) => adamRow(step, t % 2 ? 0.01 : 0, t % 3 ? 0 : 0.02, { lr: 1e-3 * (t + 1) }));
    const expected = defined(ADAM.operation, [...lists.flat(), hyperOf(rows), f32([1], [0.37])], {});
    compare(ADAM, lists, [hyperOf(rows), f32([1], [0.37])], (want, r, i) => {
      const [t, k] = [Math.floor(r / 3), r % 3];
      const [param, grad] = lists[t];
      if (k > 0) return 4e-7 * Math.abs(want) + 2e-8 * (Math.abs(grad.data[i]) + 0.02 * Math.abs(param.data[i]));
      const update = Math.abs(expected[r].data[i] - param.data[i]);
      return 2e-7 * Math.abs(want) + 1e-6 * update;
    });
  });

  it.each(SETS)('decays a parameter without a gradient, and leaves it without decay, on %s', (isa) => {
    const zero = f32([3], [0, 0, 0]);
    const at = (decay: number) =>
      run(ADAM, [f32([3], [1, -2, 0]), zero, zero, zero, hyperOf([adamRow(1, decay, 0, { lr: 0.5 })]), one], 1, isa)[0];
    expect([...at(0)]).toEqual([1, -2, 0]);
    expectClose(at(0.1), [0.95, -1.9, 0], (want) => 1e-7 * Math.abs(want));
  });

  it.each(SETS)('moves the first step by the learning rate, whatever the size of the gradient, on %s', (isa) => {
    const zero = f32([4], [0, 0, 0, 0]);
    const grad = f32([4], [1e-4, -1, 300, -1e6]);
    const [param] = run(ADAM, [zero, grad, zero, zero, hyperOf([adamRow(1, 0, 0, { lr: 0.01 })]), one], 1, isa);
    expectClose(param, [-0.01, 0.01, -0.01, 0.01], () => 2e-6);
  });

  it.each(SETS)('spoils the parameter of a NaN and no other, on %s', (isa) => {
    const [[param, { data }, m, v], other] = moments([[40], [7]]);
    const bad = data.slice() as Float32Array;
    bad[7] = Number.NaN;
    const hyper = hyperOf([adamRow(2, 0.01, 0), adamRow(2, 0.01, 0)]);
    const spoilt = run(ADAM, [param, f32([40], bad), m, v, ...other, hyper, one], 2, isa);
    for (const output of spoilt.slice(0, 3)) {
      expect([...output].map(Number.isNaN).indexOf(true)).toBe(7);
      expect(output.filter(Number.isNaN).length).toBe(1);
    }
    for (const output of spoilt.slice(3)) expect(output.some(Number.isNaN)).toBe(false);
  });

  it('refuses outputs elsewhere, wrong shapes and wrong counts', () => {
    const inputs = [...moments([[4]])[0], hyperOf([adamRow(1, 0, 0)]), one];
    const shape = [4];
    const place = [0, 2, 3].map((inPlaceOf) => ({ shape, inPlaceOf }));
    const call = (over: object) => () => runStep({ kernel: 'update_adam', inputs, outputs: place, ...over });
    expect(call({ outputs: [{ shape }, place[1], place[2]] })).toThrow(
      /expected output param to be the same tensor as the input but received 'output0' for 'input0'/,
    );
    expect(call({ inputs: [inputs[0], drawn([5], 1), ...inputs.slice(2)] })).toThrow(
      /expected f32 \(4\) for grad but received f32 \(5\)/,
    );
    expect(call({ inputs: [...inputs.slice(0, 4), f32([4], [1, 1, 1, 1]), one] })).toThrow(
      /expected f32 \(1, 8\) for hyper/,
    );
    expect(call({ inputs: inputs.slice(1) })).toThrow(/expected 4 inputs a tensor and 2 more but received 5/);
    expect(call({ outputs: place.slice(1) })).toThrow(/expected 3 outputs but received 2/);
  });
});

describe('update_sgd', () => {
  it.each([0, 1])('is the definition, Nesterov %i', (nesterov) => {
    const lists = moments().map((operands) => operands.slice(0, 3));
    const rows = lists.map((_, t) => [0.01 * (t + 1), t % 2 ? 0.9 : 0, nesterov, t % 3 ? 0.1 : 0]);
    compare(SGD, lists, [hyperOf(rows), f32([1], [0.5])], (want, r, i) => {
      const [param, grad, buffer] = lists[Math.floor(r / 2)];
      const terms = Math.abs(param.data[i]) + Math.abs(grad.data[i]) + Math.abs(buffer.data[i]);
      return 2e-7 * (Math.abs(want) + (r % 2 === 0 ? 0.3 : 1) * terms);
    });
  });
});

describe('update_lamb', () => {
  it.each([1, 100])('is the definition at step %i', (step) => {
    const lists = moments();
    const rows = lists.map((_, t) => adamRow(step, t % 2 ? 0.01 : 0, t === 4 ? 0 : 1, { lr: 0.01, eps: 1e-6 }));
    compare(LAMB, lists, [hyperOf(rows), f32([1], [0.37])], (want, r, i) => {
      const grad = lists[Math.floor(r / 3)][1];
      return r % 3 === 0 ? 1e-6 * Math.max(1, Math.abs(want)) : 4e-7 * Math.abs(want) + 2e-8 * Math.abs(grad.data[i]);
    });
  });

  it.each(SETS)('takes a ratio of 1 for a parameter or an update of nothing but zeros, on %s', (isa) => {
    const zero = f32([2], [0, 0]);
    const hyper = hyperOf([adamRow(1, 0, 1, { lr: 0.1 }), adamRow(1, 0, 1)]);
    const inputs = [zero, f32([2], [3, -3]), zero, zero, f32([2], [5, 6]), zero, zero, zero, hyper, one];
    const outputs = run(LAMB, inputs, 2, isa);
    expectClose(outputs[0], [-0.1, 0.1], () => 1e-6);
    expect([...outputs[3]]).toEqual([5, 6]);
  });
});

describe('a NaN coefficient', () => {
  it.each([ADAM, LAMB, SGD])('leaves out the step of $operation.name: nothing changes', (step) => {
    const lists = moments([[40], [7]]).map((operands) => operands.slice(0, step.each));
    const shared = [hyperOf(lists.map(() => adamRow(2, 0.01, 0.01))), f32([1], [Number.NaN])];
    const before = lists.flatMap((operands) => step.stored.map((k) => operands[k].data));
    for (const isa of SETS) {
      const after = run(step, [...lists.flat(), ...shared], 2, isa);
      for (const [r, data] of before.entries()) expect(sameBits(after[r], data), `result ${r} on ${isa}`).toBe(true);
    }
    compare(step, lists, shared, () => 0);
  });
});

describe('lists of gradients and weights', () => {
  const singles = SHAPES.map((shape, t) => [drawn(shape, t)]);

  it.each([0, 1, 1e6])('clip_norm is the definition, maxNorm %d', (maxNorm) => {
    againstDefinition(op(clipNormOperation), singles.flat(), { attrs: { maxNorm }, bound: (_, want) => 1e-6 * want });
  });

  it('clip_norm tells what is not finite by its norm and by a NaN coefficient, clipping or not', () => {
    for (const isa of SETS) {
      const call = (value: number, maxNorm: number) =>
        runStep(
          {
            kernel: 'clip_norm',
            inputs: [f32([3], [1, value, 2])],
            outputs: [{ shape: [1] }, { shape: [1] }],
            attrs: { maxNorm },
          },
          { isa },
        );
      for (const maxNorm of [0, 1]) {
        expect(call(Number.NaN, maxNorm).map(([x]) => x)).toEqual([Number.NaN, Number.NaN]);
        expect(call(Number.NEGATIVE_INFINITY, maxNorm).map(([x]) => x)).toEqual([Number.NaN, Number.POSITIVE_INFINITY]);
      }
    }
  });

  it('clamp_list is the definition and keeps NaN', () => {
    const special = [f32([5], [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0.3])];
    compare(
      { operation: op(clampListOperation), each: 1, stored: [0], attrs: { limit: 0.7 } },
      [...singles, special],
      [],
      () => 0,
    );
  });

  it('centre_list is the definition; tensors of one axis stay to the bit', () => {
    compare({ operation: op(centreListOperation), each: 1, stored: [0] }, singles, [], (_, r) =>
      SHAPES[r].length < 2 ? 0 : 1e-6,
    );
  });

  it('unscale_list is the definition, and its norm tells an overflow', () => {
    const step = { operation: op(unscaleListOperation), each: 1, stored: [0], extra: 1 };
    compare(step, singles, [f32([1], [0.125])], (want) => 1e-6 * Math.abs(want));
    for (const value of [Number.POSITIVE_INFINITY, Number.NaN]) {
      for (const isa of SETS) {
        const outputs = run(step, [f32([3], [1, value, 2]), f32([1], [0.5])], 1, isa);
        expect(outputs[1][0]).toBe(value);
        expect([...outputs[0]]).toEqual([0.5, value, 1]);
      }
    }
  });

  it('blend_list is the definition; a weight of 0 forgets even NaN', () => {
    const pairs = SHAPES.map((shape, t) => [drawn(shape, t), drawn(shape, 50 + t)]);
    const step = { operation: op(blendListOperation), each: 2, stored: [0] };
    compare(step, pairs, [f32([2], [0.9, 0.1])], (want) => 2e-7 * (1 + Math.abs(want)));
    const spoilt = [[f32([3], [Number.NaN, 1, 2]), f32([3], [4, 5, 6])]];
    compare(step, [...spoilt, ...pairs], [f32([2], [0, 1])], () => 0);
  });

  it.each([0.05, 2])('ascend_list is the definition, rho %d, some tensors adaptive', (rho) => {
    const pairs = SHAPES.map((shape, t) => [drawn(shape, t), drawn(shape, 50 + t)]);
    const adaptive = f32(
      [pairs.length],
      pairs.map((_, t) => t % 2),
    );
    const step = { operation: op(ascendListOperation), each: 2, stored: [0], extra: 1, attrs: { rho, eta: 0.01 } };
    compare(step, pairs, [adaptive], (want) => 1e-6 * (1 + Math.abs(want)));
  });

  it('refuses attributes that mean nothing', () => {
    const inputs = [one];
    const outputs = [{ shape: [1], inPlaceOf: 0 }];
    expect(() => runStep({ kernel: 'clamp_list', inputs, outputs, attrs: { limit: 0 } })).toThrow(
      /above 0 for attribute limit/,
    );
    const ascend = (attrs: Record<string, number>) => () =>
      runStep({ kernel: 'ascend_list', inputs: [one, one, one], outputs: [...outputs, { shape: [1] }], attrs });
    expect(ascend({ rho: -1, eta: 0 })).toThrow(/at least 0 for attribute rho/);
    expect(ascend({ rho: 1, eta: Number.NaN })).toThrow();
  });
});
