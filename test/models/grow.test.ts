/** Growth without a change of function. */
import { describe, expect, test } from 'vitest';
import { constants, interpret } from '../../src/graph/index.js';
import { growPricePredictor, PricePredictor, type PricePredictorOptions } from '../../src/models/index.js';
import { initialise } from '../../src/nn/index.js';
import { evaluationGraph } from '../../src/train/index.js';
import { fill } from '../graph/values.js';

const SMALL: PricePredictorOptions = {
  ...{ features: 5, steps: 9, dModel: 8, heads: 2, layers: 2, feedForward: 12, horizons: 2, positions: 'rotary' },
};
const x = fill('normal', 3 * 9 * 5, 1);

function logits(model: PricePredictor, weights: ReadonlyMap<string, Float32Array>): number[] {
  const { graph } = evaluationGraph(model, { batch: 3, steps: 9, columns: 5 });
  const state = { ...Object.fromEntries(weights), ...Object.fromEntries(constants(graph)) };
  const { outputs } = interpret(graph, { inputs: { x }, state });
  return Object.values(outputs).flatMap(({ data }) => [...data]);
}

const GROWTHS: [string, PricePredictorOptions, PricePredictorOptions][] = [
  ['layers', {}, { layers: 5 }],
  ['feed-forward', {}, { feedForward: 31 }],
  ['width and heads, twice', {}, { dModel: 16, heads: 4 }],
  ['width, three times', { dModel: 8 }, { dModel: 24, heads: 6 }],
  ['all at once', {}, { layers: 3, dModel: 16, heads: 4, feedForward: 64 }],
  ['width, without positions', { positions: 'none' }, { dModel: 16, heads: 4 }],
  ['width, with learned positions', { positions: 'learned' }, { dModel: 16, heads: 4 }],
  [
    'width, sinusoidal positions becoming learned ones',
    { positions: 'sinusoidal' },
    { dModel: 16, heads: 4, positions: 'learned' },
  ],
  ['layers, with sinusoidal positions', { positions: 'sinusoidal' }, { layers: 4 }],
];

describe('growPricePredictor', () => {
  test.each(GROWTHS)('%s: the same outputs', (_, small, larger) => {
    const from = new PricePredictor({ ...SMALL, ...small });
    const to = new PricePredictor({ ...SMALL, ...small, ...larger });
    const weights = initialise(from, 3);
    const grown = growPricePredictor(weights, from, to, { seed: 4 });
    expect([...grown.keys()]).toEqual(to.parameters().map(({ name }) => name));
    const [want, got] = [logits(from, weights), logits(to, grown)];
    want.forEach((value, i) => void expect(Math.abs(got[i] - value)).toBeLessThan(1e-5));
    expect(to.parameterCount()).toBeGreaterThan(from.parameterCount());
  });

  test('noise tells copies apart and changes little', () => {
    const from = new PricePredictor(SMALL);
    const to = new PricePredictor({ ...SMALL, dModel: 16, heads: 4 });
    const weights = initialise(from, 3);
    const grown = growPricePredictor(weights, from, to, { noise: 1e-3 });
    const embedding = grown.get('embedding.weight')!;
    expect(embedding.subarray(0, 40)).not.toEqual(embedding.subarray(40));
    const want = logits(from, weights);
    logits(to, grown).forEach((value, i) => {
      expect(value).not.toBe(want[i]);
      expect(Math.abs(value - want[i])).toBeLessThan(0.1);
    });
  });

  test('what cannot grow is named', () => {
    const from = new PricePredictor(SMALL);
    const weights = initialise(from, 3);
    for (const [options, message] of [
      [{ layers: 1 }, /at least 2 for layers/],
      [{ dModel: 12, heads: 3 }, /a multiple of 8 for dModel/],
      [{ dModel: 16 }, /4, in proportion to the width, for heads/],
      [{ positions: 'none' }, /'rotary' for positions/],
      [{ horizons: 3 }, /the same, 2, for horizons/],
    ] as [PricePredictorOptions, RegExp][]) {
      expect(() => growPricePredictor(weights, from, new PricePredictor({ ...SMALL, ...options }))).toThrowError(
        message,
      );
    }
    expect(() => growPricePredictor(new Map(), from, from)).toThrowError(/'embedding.weight'/);
  });
});
