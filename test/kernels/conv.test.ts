import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { runtimeInfo } from '../../src/native/index.js';
import { runStep, type StepCall, type StepOperand } from './one-step.js';

const random = new Random(11);
const operand = (...shape: number[]): StepOperand => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
});

const attrs = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 4, top: 0, bottom: 0, left: 8, right: 0 };
const x = operand(9, 1, 211, 24);
const weight = operand(40, 1, 3, 24);
const dy = operand(9, 1, 211, 40);
const calls: StepCall[] = [
  { kernel: 'conv2d', inputs: [x, weight, operand(40)], outputs: [{ shape: dy.shape }], attrs },
  {
    kernel: 'conv2d_grad_input',
    inputs: [dy, weight],
    outputs: [{ shape: x.shape }],
    attrs: { ...attrs, height: 1, width: 211 },
  },
  {
    kernel: 'conv2d_grad_weight',
    inputs: [dy, x],
    outputs: [{ shape: weight.shape }],
    attrs: { ...attrs, kernelH: 1, kernelW: 3 },
  },
];

describe.each(runtimeInfo().available)('convolution on %s', (isa) => {
  it.each(calls.map((call) => [call.kernel, call] as const))(
    '%s: the same bits for any number of threads',
    (_, call) => {
      const { threads } = runtimeInfo();
      const one = runStep(call, { isa, threads: 1 });
      expect(runStep(call, { isa, threads: 4 })).toEqual(one);
      expect(runStep(call, { isa, threads })).toEqual(one);
    },
  );

  it('gives the same bits with the weight packed ahead', () => {
    const [call] = calls;
    const packed: StepCall = { ...call, inputs: [x, { ...weight, state: true }, call.inputs[2]] };
    expect(runStep(packed, { isa, frozen: true })).toEqual(runStep(call, { isa }));
  });

  it('a NaN reaches the windows that see it, and no other', () => {
    const data = (x.data as Float32Array).slice();
    data[50 * 24 + 3] = Number.NaN; // step 50 of the first sample
    const [y] = runStep({ ...calls[0], inputs: [{ ...x, data }, weight, null] }, { isa });
    const bad = [...new Set([...y].flatMap((value, i) => (Number.isNaN(value) ? [Math.floor(i / 40)] : [])))];
    expect(bad).toEqual([50, 54, 58]);
  });

  it('says what does not fit', () => {
    const wrong = (changes: Partial<typeof attrs>) => () =>
      runStep({ ...calls[0], attrs: { ...attrs, ...changes } }, { isa });
    expect(wrong({ strideW: 0 })).toThrow('an integer from 1 to 16777216 for attribute strideW but received 0');
    expect(wrong({ dilationW: 500 })).toThrow('the window is larger than the padded input (9, 1, 211, 24)');
  });
});
