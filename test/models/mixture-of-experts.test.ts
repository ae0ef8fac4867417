import { describe, expect, test } from 'vitest';
import { constants, differentiate, Graph, interpret } from '../../src/graph/index.js';
import { expertUsage, PricePredictor } from '../../src/models/index.js';
import { type AuxiliaryLoss, initialise, MixtureOfExperts } from '../../src/nn/index.js';

describe('MixtureOfExperts', () => {
  test('gives its losses to training, weighed, and usage that adds up to 1', () => {
    const model = new MixtureOfExperts(6, 5, { experts: 3, topK: 2, balanceWeight: 0.5 });
    const graph = new Graph();
    const losses: AuxiliaryLoss[] = [];
    const y = model.forward(graph.input('x', [2, 4, 6]), { losses });
    expect(y.shape).toEqual([2, 4, 6]);
    expect(losses.map(({ name, weight }) => [name, weight])).toEqual([
      ['.balance', 0.5],
      ['.z', 0.001],
    ]);
    graph.output('usage', losses[0].routing!.usage);
    graph.output('balance', losses[0].loss);
    const x = Float64Array.from({ length: 48 }, (_, i) => Math.sin(i));
    const { outputs } = interpret(graph, { inputs: { x }, state: Object.fromEntries(initialise(model, 1)) });
    expect(outputs.usage.data.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(outputs.balance.data[0]).toBeGreaterThan(0.9);
    expect([...differentiate(graph, losses[0].loss).keys()]).toEqual(['router.weight', 'router.bias']);
  });

  test('drops what finds its expert full in training, and nothing in prediction', () => {
    const model = new MixtureOfExperts(4, 4, { experts: 2, topK: 1, capacityFactor: 0.5 });
    const graph = new Graph();
    const x = graph.input('x', [8, 4]);
    const rng = graph.input('rng', [4], 'u32');
    graph.output('trained', model.forward(x, { rng }));
    graph.output('predicted', model.forward(x));
    const state = Object.fromEntries(initialise(model, 3));
    const values = Float64Array.from({ length: 32 }, (_, i) => Math.cos(3 * i));
    const { trained, predicted } = interpret(graph, { inputs: { x: values, rng: [0, 0, 0, 0] }, state }).outputs;
    const empty = (data: Float64Array) =>
      Array.from({ length: 8 }, (_, r) => data.slice(4 * r, 4 * r + 4).every((v) => v === 0));
    expect(empty(predicted.data).filter(Boolean)).toHaveLength(0);
    expect(empty(trained.data).filter(Boolean).length).toBeGreaterThanOrEqual(4); // 8 rows, room for 2 in each of 2
  });

  test('refuses what does not fit', () => {
    expect(() => new MixtureOfExperts(4, 4, { experts: 2, topK: 3 })).toThrow('at most experts = 2');
    expect(() => new MixtureOfExperts(4, 4, { topk: 1 } as object)).toThrow("did you mean 'topK'");
    expect(() => new PricePredictor({ experts: 2, topExperts: 3 })).toThrow('for topExperts');
    const dense = new PricePredictor({ steps: 4, features: 3 });
    expect(() => expertUsage(dense, initialise(dense, 1), new Float32Array(12))).toThrow('no mixture of experts');
  });
});

test('usage is what the router chose, what training would leave out, and how sure it is', () => {
  const model = new PricePredictor({
    ...{ features: 3, steps: 4, dModel: 8, heads: 2, layers: 2, feedForward: 8, experts: 3, topExperts: 2 },
  });
  const parameters = initialise(model, 4);
  const x = Float32Array.from({ length: 5 * 12 }, (_, i) => Math.sin(7 * i));
  const usage = expertUsage(model, parameters, x);
  expect(usage.map(({ layer }) => layer)).toEqual(['encoder.0.feedForward', 'encoder.1.feedForward']);

  // The oracle: the interpreter's probabilities, choices counted one by one.
  const graph = new Graph();
  const losses: AuxiliaryLoss[] = [];
  model.forward(graph.input('x', [5, 4, 3]), { losses });
  const mixtures = losses.filter(({ routing }) => routing);
  for (const { name, routing } of mixtures) graph.output(name, routing!.probs);
  const { outputs } = interpret(graph, {
    inputs: { x },
    state: { ...Object.fromEntries(constants(graph)), ...Object.fromEntries(parameters) },
  });
  for (const [m, { name }] of mixtures.entries()) {
    const { data } = outputs[name];
    const chosen = [0, 0, 0];
    let entropy = 0;
    for (let row = 0; row < 20; row++) {
      const p = Array.from(data.slice(3 * row, 3 * row + 3));
      for (const e of [0, 1, 2].sort((a, b) => p[b] - p[a]).slice(0, 2)) chosen[e]++;
      entropy -= p.reduce((sum, each) => sum + each * Math.log(each), 0) / 20;
    }
    const capacity = Math.ceil((1.25 * 20 * 2) / 3);
    expect(usage[m].shares).toEqual(chosen.map((count) => count / 40));
    expect(usage[m].dropped).toEqual(chosen.map((count) => Math.max(0, count - capacity) / 40));
    expect(usage[m].entropy).toBeCloseTo(entropy, 5);
    expect(usage[m].entropy).toBeLessThan(Math.log(3));
  }
  expect(usage.some(({ dropped }) => dropped.some((share) => share > 0))).toBe(true);
});
