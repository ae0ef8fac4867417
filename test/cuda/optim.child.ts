/** The updates of whole lists of tensors on CUDA, against the plain scalar kernels of the processor. */
import { Random } from '../../src/core/random.js';
import { cpu, cuda, type Device, type PlanAttribute, runtimeInfo, type TypedArray } from '../../src/native/index.js';
import { oneStepPlan, type StepCall, type StepOperand } from '../kernels/one-step.js';
import { answer } from './child.js';

export interface OptimAnswer {
  ran: string[];
  differences: string[];
}

const SHAPES = [[5], [33, 7], [1], [129, 64], [3, 2, 11]];
const result: OptimAnswer = { ran: [], differences: [] };

function run(device: Device, call: StepCall, isa?: 'scalar'): TypedArray[] {
  const { spec, arenaInputs } = oneStepPlan(call);
  using state = device.createState([]);
  using plan = device.createPlan(spec, state, { isa });
  plan.runSync(arenaInputs);
  return call.outputs.map((_, i) => plan.output(i));
}

interface Row {
  kernel: string;
  /** Names of the operands of a tensor; v is drawn positive. */
  each: string[];
  stored: number[];
  shared: StepOperand[];
  /** Outputs behind the stored ones. */
  more?: number;
  attrs?: Record<string, PlanAttribute>;
}

const vector = (...values: number[]): StepOperand => ({ shape: [values.length], data: Float32Array.from(values) });
const table = (row: number[]): StepOperand => ({
  shape: [SHAPES.length, 8],
  data: Float32Array.from(SHAPES.flatMap((_, t) => row.map((value, i) => (i === 0 ? value * (t + 1) : value)))),
});
const MOMENTS = ['param', 'grad', 'm', 'v'];
const adam = [1e-3, 0.9, 0.999, 1e-8, 0.1, 0.001, 0.01];

const ROWS: Row[] = [
  { kernel: 'update_adam', each: MOMENTS, stored: [0, 2, 3], shared: [table([...adam, 0.02]), vector(0.7)] },
  { kernel: 'update_lamb', each: MOMENTS, stored: [0, 2, 3], shared: [table([...adam, 1]), vector(0.7)] },
  { kernel: 'update_lamb', each: MOMENTS, stored: [0, 2, 3], shared: [table([...adam, 0]), vector(1)] },
  ...[0, 1].map((nesterov) => ({
    kernel: 'update_sgd',
    each: ['param', 'grad', 'buffer'],
    stored: [0, 2],
    shared: [table([0.1, 0.9, nesterov, 0.01, 0, 0, 0, 0]), vector(0.5)],
  })),
  // Left out: nothing changes.
  ...['update_adam', 'update_lamb'].map((kernel) => ({
    kernel,
    each: MOMENTS,
    stored: [0, 2, 3],
    shared: [table([...adam, 1]), vector(Number.NaN)],
  })),
  ...[0.5, 1e9, 0].map((maxNorm) => ({
    kernel: 'clip_norm',
    each: ['grad'],
    stored: [],
    shared: [],
    more: 2,
    attrs: { maxNorm },
  })),
  { kernel: 'unscale_list', each: ['grad'], stored: [0], shared: [vector(0.125)], more: 1 },
  { kernel: 'clamp_list', each: ['grad'], stored: [0], shared: [], attrs: { limit: 0.3 } },
  { kernel: 'centre_list', each: ['grad'], stored: [0], shared: [] },
  ...[0, 0.9].map((a) => ({ kernel: 'blend_list', each: ['to', 'from'], stored: [0], shared: [vector(a, 0.25)] })),
  {
    kernel: 'ascend_list',
    each: ['param', 'grad'],
    stored: [0],
    shared: [vector(1, 0, 1, 1, 0)],
    more: 1,
    attrs: { rho: 0.05, eta: 0.01 },
  },
];

for (const { kernel, each, stored, shared, more = 0, attrs } of ROWS.filter((row) =>
  runtimeInfo().steps.includes(row.kernel),
)) {
  const random = new Random(11);
  const inputs: StepOperand[] = SHAPES.flatMap((shape) =>
    each.map((name) => ({
      shape,
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
        name === 'v' ? random.normal() ** 2 : random.normal(),
      ),
    })),
  );
  const outputs: StepCall['outputs'] = [
    ...SHAPES.flatMap((shape, t) => stored.map((k) => ({ shape, inPlaceOf: t * each.length + k }))),
    ...Array.from({ length: more }, () => ({ shape: [1] })),
  ];
  const call: StepCall = { kernel, inputs: [...inputs, ...shared], outputs, attrs };
  const expected = run(cpu(), call, 'scalar');
  const actual = run(cuda(), call);
  for (let o = 0; o < expected.length; o++) {
    for (let i = 0; i < expected[o].length; i++) {
      const [want, got] = [expected[o][i], actual[o][i]];
      if (Math.abs(got - want) <= 4e-7 * (1 + Math.abs(want))) continue; // the terms are of the order of 1
      result.differences.push(`${kernel} output ${o} [${i}]: ${got}, expected ${want}`);
      break;
    }
  }
  result.ran.push(kernel);
}
answer(result);
