import { describe, expect, test } from 'vitest';
import { constants, stateSpecs } from '../../src/graph/index.js';
import type { Device, PlanRun, TypedArray } from '../../src/native/index.js';
import { initialise } from '../../src/nn/index.js';
import { adamW, ema, lookahead, type Optimizer, sam } from '../../src/optim/index.js';
import { gradientGraph, StepCall } from '../../src/train/index.js';
import { unscaleGraph } from '../../src/train/plans.js';
import { devices } from './devices.js';
import { COLUMNS, learnableWindows, STEPS, smallModel } from './fixture.js';

const BATCH = 8;
const OPTIMIZERS: [string, Optimizer][] = [
  ['AdamW', adamW()],
  ['EMA of AdamW', ema(adamW())],
  ['SAM in Lookahead', lookahead(sam(adamW()), { steps: 2 })],
];

/** A step of the small model over a state of its own. */
function open(device: Device, optimizer: Optimizer, { scaled = false, batches = 1 } = {}) {
  const model = smallModel();
  const shape = { batch: BATCH, steps: STEPS, columns: COLUMNS };
  const options = { labelSmoothing: 0, horizonWeights: [50, 50], scaleLoss: scaled, accumulate: batches };
  const first = gradientGraph(model, shape, options);
  const adding = gradientGraph(model, shape, { ...options, add: true });
  const parameters = model.parameters();
  const state = device.createState([...stateSpecs(first.graph), ...optimizer.states(parameters)]);
  for (const [name, data] of [...constants(first.graph), ...initialise(model, 1)]) state.set(name, data);
  const gradients = [first, adding].map((graph) => device.createPlan(graph.compile(), state));
  const unscale = scaled ? device.createPlan(unscaleGraph(parameters), state) : undefined;
  const bound = optimizer.bind(device, state, parameters);
  const calls: number[] = [];
  const counting = {
    runSequence(runs: readonly PlanRun[]) {
      calls.push(runs.length);
      return device.runSequence(runs);
    },
  };
  const plans = { gradients: [gradients[0], gradients[1]] as const, unscale, optimizer: bound };
  const call = new StepCall(counting, plans, { batch: BATCH, classes: [3, 3], batches });
  /** All that a checkpoint keeps, as bytes. */
  const bits = () =>
    state.specs
      .filter(({ name }) => !name.startsWith('grad/'))
      .map(({ name }) => `${name} ${Buffer.from(state.get(name).buffer).toString('hex')}`)
      .join('\n');
  return { call, calls, bits, bound, plans, parameters, state };
}

function batchOf(number: number): TypedArray[] {
  const { x, targets } = learnableWindows(BATCH, number);
  return [x, ...targets, Uint32Array.of(1, 0, number, 0)];
}

describe.each(devices)('a step on the %s device', (_, makeDevice) => {
  const device = makeDevice();

  test.each(OPTIMIZERS)('of %s is one call that does what its plans do one by one', async (__, optimizer) => {
    const whole = open(device, optimizer);
    const apart = open(device, optimizer);
    const [loss, logits] = [new Float32Array(1), [0, 1].map(() => new Float32Array(3 * BATCH))];
    for (const step of [1, 2, 3]) {
      const got = await whole.call.run({ step, learningRate: 0.01, batches: [batchOf(step)] });
      const compute = { plan: apart.plans.gradients[0], inputs: batchOf(step) };
      await compute.plan.run(compute.inputs, [...logits, loss]);
      const { runs, gradientNorm } = apart.bound.step({ step, learningRate: 0.01, gradients: () => [compute] });
      for (const { plan, inputs, outputs } of runs) await plan.run(inputs, outputs);
      expect(got).toEqual({ losses: [loss[0]], gradientNorm: gradientNorm[0] });
      expect(whole.call.logits[0]).toEqual(logits);
      expect(whole.bits()).toBe(apart.bits());
    }
    expect(whole.calls).toHaveLength(3);
  });

  test.each(OPTIMIZERS)(
    'of %s with a loss that is not finite changes no parameter and no moment',
    async (__, optimizer) => {
      const { call, bits } = open(device, optimizer, { batches: 2 });
      await call.run({ step: 1, learningRate: 0.01, batches: [batchOf(1), batchOf(2)] });
      const before = bits();
      const bad = batchOf(3);
      bad[0][5] = Number.NaN;
      const found = await call.run({ step: 2, learningRate: 0.01, batches: [batchOf(4), bad] });
      expect([Number.isFinite(found.losses[0]), found.losses[1], found.gradientNorm]).toEqual([
        true,
        Number.NaN,
        Number.NaN,
      ]);
      expect(bits()).toBe(before);
      const first = await call.run({ step: 2, learningRate: 0.01, batches: [bad, batchOf(4)] });
      expect(first.losses).toEqual([Number.NaN, Number.NaN]);
      expect(bits()).toBe(before);
    },
  );

  test('whose scaled gradients overflow is left out, and the next one is as if it had not been', async () => {
    const { call, bits } = open(device, adamW(), { scaled: true });
    const before = bits();
    const overflow = await call.run({ step: 1, learningRate: 0.01, batches: [batchOf(1)], lossScale: 2 ** 126 });
    expect([Number.isFinite(overflow.losses[0]), Number.isFinite(overflow.gradientNorm)]).toEqual([true, false]);
    expect(bits()).toBe(before);
    const scaled = await call.run({ step: 1, learningRate: 0.01, batches: [batchOf(1)], lossScale: 1024 });
    const plain = open(device, adamW());
    const expected = await plain.call.run({ step: 1, learningRate: 0.01, batches: [batchOf(1)] });
    expect(scaled).toEqual(expected);
    expect(bits()).toBe(plain.bits());
  });
});
