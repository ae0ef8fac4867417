import { describe, expect, test } from 'vitest';
import { constants, graphStatistics, interpret, stateSpecs } from '../../src/graph/index.js';
import { initialise } from '../../src/nn/index.js';
import { gradientName } from '../../src/optim/index.js';
import { gradientGraph } from '../../src/train/index.js';
import { devices } from './devices.js';
import { COLUMNS, HORIZONS, learnableWindows, STEPS, smallModel } from './fixture.js';

const BATCH = 6;
const OPTIONS = { labelSmoothing: 0.1, horizonWeights: [1, 0.5] };

describe('the gradient graph', () => {
  const model = smallModel({ dModel: 16 });
  const { graph, compile, classes } = gradientGraph(model, { batch: BATCH, steps: STEPS, columns: COLUMNS }, OPTIONS);
  const windows = learnableWindows(BATCH, 11);
  const weights = initialise(model, 3);
  const rng = Uint32Array.of(7, 0, 1, 0);

  test('has one gradient for each parameter', () => {
    expect(classes).toEqual([3, 3]);
    expect([...graph.updates.keys()].sort()).toEqual(
      model
        .parameters()
        .map(({ name }) => gradientName(name))
        .sort(),
    );
  });

  test('the whole last layer gives the same loss, with more work', () => {
    const plain = smallModel({ dropout: 0 });
    const shape = { batch: BATCH, steps: STEPS, columns: COLUMNS };
    const parameters = initialise(plain, 3);
    const [rows, whole] = [false, true].map((wholeLastLayer) => {
      const { graph } = gradientGraph(plain, shape, { ...OPTIONS, wholeLastLayer });
      const state: Record<string, ArrayLike<number>> = Object.fromEntries([...constants(graph), ...parameters]);
      for (const { name, shape } of stateSpecs(graph))
        state[name] ??= new Float64Array(shape.reduce((n, d) => n * d, 1));
      const inputs = { x: windows.x, 'target.0': windows.targets[0], 'target.1': windows.targets[1], rng };
      return { loss: interpret(graph, { inputs, state }).outputs.loss.data[0], flops: graphStatistics(graph).flops };
    });
    expect(whole.loss).toBeCloseTo(rows.loss, 10);
    expect(whole.flops).toBeGreaterThan(1.2 * rows.flops);
  });

  test('its gradients are the slopes of its loss in float64', () => {
    const inputs = { x: windows.x, 'target.0': windows.targets[0], 'target.1': windows.targets[1], rng };
    const state: Record<string, ArrayLike<number>> = { ...Object.fromEntries(constants(graph)) };
    for (const [name, values] of weights) state[name] = Float64Array.from(values);
    for (const { name, shape } of stateSpecs(graph)) state[name] ??= new Float64Array(shape.reduce((n, d) => n * d, 1));
    const lossAt = () => interpret(graph, { inputs, state }).outputs.loss.data[0];
    const { updates } = interpret(graph, { inputs, state });
    const h = 1e-5;
    for (const { name } of model.parameters()) {
      const values = state[name] as Float64Array;
      for (const i of new Set([0, values.length >> 1, values.length - 1])) {
        const kept = values[i];
        values[i] = kept + h;
        const above = lossAt();
        values[i] = kept - h;
        const below = lossAt();
        values[i] = kept;
        const slope = (above - below) / (2 * h);
        const got = updates[gradientName(name)].data[i];
        expect(Math.abs(got - slope), `${name}[${i}]: ${got} for ${slope}`).toBeLessThan(1e-6 + 1e-5 * Math.abs(slope));
      }
    }
  });

  test.each(devices)('the plan on the %s device gives the loss and gradients of the interpreter', (_, makeDevice) => {
    const device = makeDevice();
    const inputs = { x: windows.x, 'target.0': windows.targets[0], 'target.1': windows.targets[1], rng };
    const specs = stateSpecs(graph);
    const state = device.createState(specs);
    const initial: Record<string, ArrayLike<number>> = {};
    for (const { name, shape } of specs) initial[name] = new Float32Array(shape.reduce((n, d) => n * d, 1));
    for (const [name, values] of [...constants(graph), ...weights]) {
      state.set(name, values);
      initial[name] = values;
    }
    const want = interpret(graph, { inputs, state: initial });
    const plan = device.createPlan(compile(), state);
    const outputs = [new Float32Array(BATCH * 3), new Float32Array(BATCH * 3), new Float32Array(1)];
    plan.runSync([windows.x, ...windows.targets, rng], outputs);
    expect(HORIZONS).toBe(2);
    ['logits.0', 'logits.1', 'loss'].forEach((name, i) => {
      expect(worst(outputs[i], want.outputs[name].data), name).toBeLessThan(2e-6);
    });
    for (const [name, { data }] of Object.entries(want.updates)) {
      expect(worst(state.get(name) as Float32Array, data), name).toBeLessThan(2e-5);
      expect(
        data.some((v) => v !== 0),
        name,
      ).toBe(true);
    }
    plan.dispose();
    state.dispose();
  });
});

/** The largest difference, relative to the largest value. */
function worst(got: Float32Array, want: Float64Array): number {
  const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-3);
  return want.reduce((most, v, i) => Math.max(most, Math.abs(got[i] - v)), 0) / scale;
}
