/** The whole model on the native engine against the float64 interpreter: prediction, gradients and the weight update. */
import { describe, expect, test } from 'vitest';
import {
  clipNorm,
  differentiate,
  fuseLinear,
  Graph,
  interpret,
  readRowsOnly,
  softmaxCrossEntropy,
  updateAdam,
} from '../../src/graph/index.js';
import { PricePredictor } from '../../src/models/index.js';
import { nativeAvailable, runtimeInfo, setThreads } from '../../src/native/index.js';
import { initialise } from '../../src/nn/index.js';
import { runNative } from '../graph/run-native.js';
import { fill } from '../graph/values.js';

const BATCH = 5;
const SMALL = { features: 7, steps: 19, dModel: 32, heads: 4, layers: 2, feedForward: 48, horizons: 2 };
const model = new PricePredictor(SMALL);
const weights = Object.fromEntries(initialise(model, 11));
const x = fill('normal', BATCH * 19 * 7, 1);
const isas = nativeAvailable() ? runtimeInfo().available : [];

/** √ of the mean squared difference, relative to that of the expected values. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    size += expected[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

function predictionGraph(): Graph {
  const graph = new Graph();
  const logits = model.forward(graph.input('x', [BATCH, 19, 7]));
  for (const [h, tensor] of logits.entries()) graph.output(`logits${h}`, tensor);
  return graph;
}

function trainingGraph(): Graph {
  const forward = new Graph();
  const rng = forward.input('rng', [4], 'u32');
  const losses = model.forward(forward.input('x', [BATCH, 19, 7]), { rng }).map((logits, h) => {
    const target = forward.input(`target${h}`, [BATCH], 'i32');
    return softmaxCrossEntropy(logits, target, { smoothing: 0.1 }).loss.scale(1 / (h + 1));
  });
  forward.output(
    'loss',
    losses.reduce((a, b) => a.add(b)),
  );
  const graph = readRowsOnly(forward, { throughDropout: true });
  for (const [name, gradient] of differentiate(graph, graph.outputs.get('loss')!)) {
    graph.state(`grad/${name}`, gradient.shape);
    graph.update(`grad/${name}`, gradient);
  }
  return graph;
}

const trainingInputs = { x, rng: [5, 6, 7, 0], target0: [0, 1, 2, -1, 1], target1: [2, 2, 0, 1, 0] };

describe.each(isas)('PricePredictor on %s', (isa) => {
  test.each([
    ['plain', []],
    ['fused', [fuseLinear]],
    ['reading the last rows only', [readRowsOnly, fuseLinear]],
  ])('predicts as the interpreter does: %s', (_, passes) => {
    const graph = predictionGraph();
    const expected = interpret(graph, { inputs: { x }, state: weights }).outputs;
    const { outputs } = runNative(graph, { inputs: { x }, state: weights }, { isa, passes });
    for (const name of graph.outputs.keys())
      expect(relativeError(outputs[name], expected[name].data)).toBeLessThan(1e-6);
  });

  test('gives the loss and every gradient of the interpreter, dropout masks included', () => {
    const graph = trainingGraph();
    const given = { inputs: trainingInputs, state: weights };
    const expected = interpret(graph, given);
    const { outputs, updates } = runNative(graph, given, { isa });
    expect(relativeError(outputs.loss, expected.outputs.loss.data)).toBeLessThan(1e-6);
    expect(Object.keys(updates)).toHaveLength(model.parameters().length);
    for (const [name, gradient] of Object.entries(updates)) {
      expect(relativeError(gradient, expected.updates[name].data), name).toBeLessThan(5e-6);
    }
  });

  test('clips and updates as the interpreter does', () => {
    const graph = new Graph();
    const parameters = model.parameters().map(({ name, shape, decay }, i) => {
      const tensors = ['', 'grad/', 'm/', 'v/'].map((prefix) => graph.state(prefix + name, shape));
      return { tensors, decay, size: shape.reduce((a, b) => a * b, 1), name, seed: i };
    });
    const tensors = parameters.map((parameter) => parameter.tensors);
    const hyper = graph.input('hyper', [tensors.length, 8]);
    const { coefficient, norm } = clipNorm(
      tensors.map(([, grad]) => grad),
      1,
    );
    graph.output('norm', norm);
    updateAdam(tensors, hyper, coefficient);
    const state: Record<string, ArrayLike<number>> = { ...weights };
    for (const { name, size, seed } of parameters) {
      state[`grad/${name}`] = fill('normal', size, seed);
      state[`m/${name}`] = fill('normal', size, seed + 100);
      state[`v/${name}`] = fill('uniform', size, seed + 200);
    }
    const row = (decay: boolean) => [1e-3, 0.9, 0.999, 1e-8, 1 - 0.9 ** 3, 1 - 0.999 ** 3, decay ? 0.01 : 0, 0];
    const given = { inputs: { hyper: parameters.flatMap(({ decay }) => row(decay)) }, state };
    const expected = interpret(graph, given);
    const { outputs, updates } = runNative(graph, given, { isa });
    expect(relativeError(outputs.norm, expected.outputs.norm.data)).toBeLessThan(1e-6);
    expect(Object.keys(updates)).toHaveLength(3 * parameters.length);
    for (const [name, value] of Object.entries(updates)) {
      expect(relativeError(value, expected.updates[name].data), name).toBeLessThan(1e-6);
    }
  });

  test('gives the same bits with one thread and with four', () => {
    const graph = trainingGraph();
    const run = (threads: number) => {
      setThreads(threads);
      return runNative(graph, { inputs: trainingInputs, state: weights }, { isa });
    };
    const before = runtimeInfo().threads;
    try {
      expect(run(4)).toEqual(run(1));
    } finally {
      setThreads(before);
    }
  });
});
