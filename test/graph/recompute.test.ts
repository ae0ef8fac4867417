/** Activation checkpointing: less memory, the same bits. */
import { describe, expect, test } from 'vitest';
import {
  compilePlan,
  differentiate,
  Graph,
  interpret,
  linear,
  recomputeActivations,
  sumSquares,
} from '../../src/graph/index.js';
import { PricePredictor } from '../../src/models/index.js';
import { initialise } from '../../src/nn/index.js';
import { gradientGraph } from '../../src/train/index.js';
import { fill } from './values.js';

function chain(layers: number): Graph {
  const graph = new Graph();
  let x = graph.input('x', [64, 32]);
  for (let i = 0; i < layers; i++) x = linear(x, graph.state(`w${i}`, [32, 32], 'f32', { trainable: true })).gelu();
  const loss = sumSquares(x);
  graph.output('loss', loss);
  for (const [name, gradient] of differentiate(graph, loss)) {
    graph.state(`grad/${name}`, gradient.shape);
    graph.update(`grad/${name}`, gradient);
  }
  return graph;
}

describe('recomputeActivations', () => {
  test('the same numbers, from a smaller arena, for any number of segments', () => {
    const graph = chain(16);
    const state = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`w${i}`, fill('normal', 1024, i)]));
    const given = { inputs: { x: fill('normal', 2048, 99) }, state };
    const expected = interpret(graph, given);
    const plain = compilePlan(graph).arenaBytes;
    for (const segments of [undefined, 2, 4, 8]) {
      const again = recomputeActivations(graph, { segments });
      const { outputs, updates } = interpret(again, given);
      expect(outputs.loss.data).toEqual(expected.outputs.loss.data);
      for (const [name, { data }] of Object.entries(expected.updates)) expect(updates[name].data, name).toEqual(data);
      expect(again.nodes.length).toBeGreaterThan(graph.nodes.length);
      expect(compilePlan(again).arenaBytes).toBeLessThan(0.75 * plain);
    }
    // Half of them at 4 of 16 layers: 3 borders and one segment of 4 instead of 16.
    expect(compilePlan(recomputeActivations(graph, { segments: 4 })).arenaBytes).toBeLessThan(0.5 * plain);
    expect(recomputeActivations(graph, { segments: 1 }).nodes.length).toBe(graph.nodes.length);
  });

  test('a graph without a loss, or without a border, stays as it is', () => {
    const graph = new Graph();
    graph.output('y', graph.input('x', [2]).relu());
    expect(recomputeActivations(graph)).toBe(graph);
  });

  test('borders of the price predictor are its layers', () => {
    const model = new PricePredictor({
      features: 6,
      steps: 20,
      dModel: 16,
      heads: 2,
      layers: 4,
      feedForward: 64,
      horizons: 2,
    });
    const options = { labelSmoothing: 0, horizonWeights: [1, 1] };
    const shape = { batch: 8, steps: 20, columns: 6 };
    const plain = gradientGraph(model, shape, options);
    const again = gradientGraph(model, shape, { ...options, recompute: 4 });
    expect(again.compile().arenaBytes).toBeLessThan(0.6 * plain.compile().arenaBytes);
    const given = {
      inputs: {
        x: fill('normal', 8 * 20 * 6, 1),
        rng: Float64Array.of(1, 2, 3, 0),
        'target.0': Float64Array.of(0, 1, 2, 0, 1, 2, 0, 1),
        'target.1': Float64Array.of(0, 1, 2, 0, 1, 2, 0, -1),
      },
      state: Object.fromEntries(initialise(model, 1)),
    };
    const state = { ...given.state };
    for (const { name, shape: dims } of model.parameters())
      state[`grad/${name}`] = new Float32Array(dims.reduce((a, b) => a * b, 1));
    const constants = Object.fromEntries(
      [...plain.graph.states].flatMap(([name, { value }]) => (value ? [[name, value]] : [])),
    );
    const run = (graph: Graph) =>
      interpret(graph, { inputs: given.inputs, state: { ...state, ...constants } as never });
    const [a, b] = [run(plain.graph), run(recomputeActivations(plain.graph, { segments: 4 }))];
    for (const [name, { data }] of Object.entries(a.updates)) expect(b.updates[name].data, name).toEqual(data);
  });
});
