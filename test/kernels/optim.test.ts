import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { adamwOperation } from '../../src/graph/ops/adamw.js';
import type { Isa } from '../../src/native/index.js';
import { runStep, type StepOperand, sameBits } from './one-step.js';
import { defined, drawn, expectClose, f32, SETS } from './oracle.js';

const operation = adamwOperation as unknown as Operation<never>;
const NAMES = ['param', 'm', 'v'];

const hyper = (step: number, { lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = {}) =>
  f32([8], [lr, beta1, beta2, eps, 1 - beta1 ** step, 1 - beta2 ** step, 0, 0]);

/** The state is in the arena here, so that it starts from the inputs at every run. */
function run(inputs: (StepOperand | null)[], weightDecay: number, isa: Isa, threads = 1): Float32Array[] {
  const { shape } = inputs[0] as StepOperand;
  const outputs = [0, 2, 3].map((inPlaceOf) => ({ shape, inPlaceOf }));
  return runStep({ kernel: 'adamw', inputs, outputs, attrs: { weightDecay } }, { isa, threads }) as Float32Array[];
}

const state = (n: number): StepOperand[] => {
  const v = drawn([n], 4, 0.01);
  return [drawn([n], 1), drawn([n], 2, 0.1), drawn([n], 3, 0.1), f32([n], v.data.map(Math.abs))];
};

describe('adamw', () => {
  it.each([1, 5, 8, 15, 16, 17, 33, 64, 1000, 4099])('is the definition for %i elements', (n) => {
    for (const step of [1, 10, 10_000]) {
      for (const weightDecay of [0, 0.01]) {
        const inputs = [...state(n), hyper(step), f32([1], [0.37])];
        const expected = defined(operation, inputs, { weightDecay });
        for (const isa of SETS) {
          const outputs = run(inputs, weightDecay, isa);
          expected.forEach(({ data }, r) => {
            const update = (i: number) => Math.abs(data[i] - inputs[0].data[i]);
            const bound = (want: number, i: number) =>
              r === 0
                ? 2e-7 * Math.abs(want) + 1e-6 * update(i)
                : 4e-7 * Math.abs(want) + 2e-8 * Math.abs(inputs[1].data[i]);
            expectClose(outputs[r], data, bound, `${NAMES[r]} on ${isa}`);
          });
          run(inputs, weightDecay, isa, 3).forEach((output, r) => {
            expect(sameBits(output, outputs[r])).toBe(true);
          });
        }
      }
    }
  });

  it('takes an absent coefficient as 1', () => {
    const inputs = [...state(20), hyper(3)];
    const isa = SETS.at(-1) as Isa;
    const one = run([...inputs, f32([1], [1])], 0.01, isa);
    for (const last of [[], [null]]) {
      run([...inputs, ...last], 0.01, isa).forEach((output, r) => {
        expect(sameBits(output, one[r])).toBe(true);
      });
    }
  });

  it.each(SETS)('decays a parameter without a gradient, and leaves it without decay, on %s', (isa) => {
    const zero = f32([3], [0, 0, 0]);
    const inputs = [f32([3], [1, -2, 0]), zero, zero, zero, hyper(1, { lr: 0.5 }), f32([1], [1])];
    expect([...run(inputs, 0, isa)[0]]).toEqual([1, -2, 0]);
    expectClose(run(inputs, 0.1, isa)[0], [0.95, -1.9, 0], (want) => 1e-7 * Math.abs(want));
  });

  it.each(SETS)('moves the first step by the learning rate, whatever the size of the gradient, on %s', (isa) => {
    const zero = f32([4], [0, 0, 0, 0]);
    const grad = f32([4], [1e-4, -1, 300, -1e6]);
    const [param] = run([zero, grad, zero, zero, hyper(1, { lr: 0.01 }), f32([1], [1])], 0, isa);
    expectClose(param, [-0.01, 0.01, -0.01, 0.01], () => 2e-6);
  });

  it.each(SETS)('spoils the parameter of a NaN and no other; a NaN coefficient spoils all, on %s', (isa) => {
    const [param, grad, m, v] = state(40);
    const bad = grad.data.slice() as Float32Array;
    bad[7] = Number.NaN;
    for (const output of run([param, f32([40], bad), m, v, hyper(2), f32([1], [1])], 0.01, isa)) {
      expect([...output].map(Number.isNaN).indexOf(true)).toBe(7);
      expect(output.filter(Number.isNaN).length).toBe(1);
    }
    for (const output of run([param, grad, m, v, hyper(2), f32([1], [Number.NaN])], 0.01, isa)) {
      expect(output.every(Number.isNaN)).toBe(true);
    }
  });

  it('is split among threads without a change', () => {
    const inputs = [...state(200_003), hyper(7), f32([1], [0.5])];
    for (const isa of SETS) {
      const one = run(inputs, 0.01, isa, 1);
      run(inputs, 0.01, isa, 4).forEach((output, r) => {
        expect(sameBits(output, one[r])).toBe(true);
      });
    }
  });

  it('refuses outputs elsewhere, wrong shapes and a negative decay', () => {
    const inputs = [...state(4), hyper(1), f32([1], [1])];
    const shape = [4];
    const place = [0, 2, 3].map((inPlaceOf) => ({ shape, inPlaceOf }));
    const call = (over: object) => () =>
      runStep({ kernel: 'adamw', inputs, outputs: place, attrs: { weightDecay: 0 }, ...over });
    expect(call({ outputs: [{ shape }, place[1], place[2]] })).toThrow(
      /expected output param to be the same tensor as the input but received 'output0' for 'input0'/,
    );
    expect(call({ attrs: { weightDecay: -0.1 } })).toThrow(/expected a number of at least 0 for attribute weightDecay/);
    expect(call({ inputs: [inputs[0], drawn([5], 1), ...inputs.slice(2)] })).toThrow(
      /expected f32 \(4\) for grad but received f32 \(5\)/,
    );
    expect(call({ inputs: [...inputs.slice(0, 4), f32([4], [1, 1, 1, 1])] })).toThrow(/expected f32 \(8\) for hyper/);
  });
});
