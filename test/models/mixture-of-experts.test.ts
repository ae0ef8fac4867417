/** Market regimes as a worked example: where the sense of a signal depends on the regime, experts divide the regimes among them. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { differentiate, Graph, interpret } from '../../src/graph/index.js';
import { expertUsage, PricePredictor } from '../../src/models/index.js';
import { nativeAvailable } from '../../src/native/index.js';
import { type AuxiliaryLoss, initialise, MixtureOfExperts } from '../../src/nn/index.js';
import { evaluate, train } from '../../src/train/index.js';

const STEPS = 4;
const COLUMNS = 3;

/**
 * Windows of a calm and a stressed market. Column 0 is the regime as a volatility measure shows it, column 1 the flow of orders, column 2 the
 * past return. In the calm regime flow goes on (label = its sign); in the stressed one the past return reverts (label = against it).
 */
function regimes(count: number, seed: number, only?: 'calm' | 'stressed') {
  const random = new Random(seed);
  const x = new Float32Array(count * STEPS * COLUMNS);
  const label = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const stressed = only === undefined ? random.float() < 0.5 : only === 'stressed';
    for (let t = 0; t < STEPS; t++) {
      const at = (i * STEPS + t) * COLUMNS;
      x[at] = (stressed ? 1.5 : -1.5) + 0.3 * random.normal();
      x[at + 1] = random.normal();
      x[at + 2] = random.normal();
    }
    const last = (i * STEPS + STEPS - 1) * COLUMNS;
    const signal = stressed ? -x[last + 2] : x[last + 1];
    label[i] = signal < -0.43 ? 0 : signal > 0.43 ? 2 : 1;
  }
  const size = STEPS * COLUMNS;
  return {
    x,
    steps: STEPS,
    columns: COLUMNS,
    horizons: 1,
    length: count,
    batch(indices: Int32Array, outX: Float32Array, outY: Int32Array[]) {
      for (const [i, index] of indices.entries()) {
        outX.set(x.subarray(index * size, (index + 1) * size), i * size);
        outY[0][i] = label[index];
      }
    },
    order: (s: number, epoch: number) => new Random(s, epoch + 1).shuffle(Int32Array.from(label, (_, i) => i)),
    labels: () => label,
    sources: () => [x, label],
  };
}

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
    graph.output('usage', losses[0].usage!);
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

test.skipIf(!nativeAvailable())(
  'experts specialise in market regimes',
  async () => {
    const sizes = {
      features: COLUMNS,
      steps: STEPS,
      dModel: 16,
      heads: 2,
      layers: 1,
      feedForward: 16,
      horizons: 1,
      dropout: 0,
    };
    const model = new PricePredictor({ ...sizes, experts: 2, topExperts: 1 });
    const { parameters } = await train(model, {
      train: regimes(3000, 1),
      validation: regimes(300, 2),
      seed: 3,
      batch: 64,
      steps: 800,
      learningRate: 0.01,
      evaluateEvery: 800,
      labelSmoothing: 0,
    });
    const { horizons } = await evaluate(model, parameters, regimes(600, 9));
    expect(horizons[0].accuracy).toBeGreaterThan(0.95);
    const [calm] = expertUsage(model, parameters, regimes(300, 5, 'calm').x).values();
    const [stressed] = expertUsage(model, parameters, regimes(300, 6, 'stressed').x).values();
    expect(Math.abs(calm[0] - stressed[0]), `calm ${calm}, stressed ${stressed}`).toBeGreaterThan(0.8);
  },
  60_000,
);
