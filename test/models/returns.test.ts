/** What heads tell of returns beside classes, for every architecture. */
import { describe, expect, test } from 'vitest';
import { WindowDataset } from '../../src/data/index.js';
import { buildArtefact } from '../../src/export/index.js';
import { constants, interpret, stateSpecs } from '../../src/graph/index.js';
import { nativeAvailable } from '../../src/native/index.js';
import { initialise, RETURN_QUANTILES } from '../../src/nn/index.js';
import { gradientName } from '../../src/optim/index.js';
import { loadPredictor } from '../../src/predict/index.js';
import { gradientGraph, predictLogits, predictReturns, train } from '../../src/train/index.js';
import { ARCHITECTURES, normalValues } from './table.js';

const BATCH = 3;
const REGRESSION = { weight: 1, delta: 1 };

describe.each(ARCHITECTURES.map((row) => [row.name, row] as const))('%s with quantiles of returns', (_, { build }) => {
  const model = build({ regression: 'quantiles' });
  const { steps, features } = model.options;
  const weights = initialise(model, 11);
  for (const [name, array] of weights) {
    const moved = normalValues(array.length, name.length);
    if (!name.endsWith('Variance')) for (let i = 0; i < array.length; i++) array[i] += 0.05 * moved[i];
  }
  const rows = BATCH + 4;
  const values = normalValues((rows + steps - 1) * features, 1);
  const column = (make: (row: number) => number) => Float32Array.from({ length: rows + steps - 1 }, (_, i) => make(i));
  const classes = [0, 1].map((h) => Int32Array.from(column((i) => (i + h) % 3)));
  const windows = new WindowDataset({
    ...{ values, columns: features, steps, targets: classes },
    returns: [column((i) => Math.sin(i)), column((i) => (i % 4 === 0 ? Number.NaN : Math.cos(i)))],
    rows: Int32Array.from({ length: rows }, (_, i) => i + steps - 1),
  });

  test('gradients of the heads and of the trunk are the slopes of the loss in float64', () => {
    const { graph } = gradientGraph(
      model,
      { batch: BATCH, steps, columns: features },
      { ...{ labelSmoothing: 0.1, horizonWeights: [1, 0.5] }, regression: REGRESSION },
    );
    const state: Record<string, ArrayLike<number>> = Object.fromEntries([...constants(graph), ...weights]);
    for (const { name, shape } of stateSpecs(graph)) state[name] ??= new Float64Array(shape.reduce((n, d) => n * d, 1));
    const x = normalValues(BATCH * steps * features, 5);
    const inputs = {
      ...{ x, 'target.0': Int32Array.of(0, 2, 1), 'target.1': Int32Array.of(1, -1, 0) },
      ...{ 'return.0': Float32Array.of(0.5, -3, Number.NaN), 'return.1': Float32Array.of(2, 0.1, -0.4) },
      rng: Uint32Array.of(7, 0, 1, 0),
    };
    const { updates } = interpret(graph, { inputs, state });
    const learnt = model.parameters().filter(({ trainable }) => trainable);
    const heads = learnt.filter(({ name }) => name.includes('returns.'));
    expect(heads.length).toBeGreaterThanOrEqual(8);
    for (const [k, { name }] of [...heads, learnt[0]].entries()) {
      const index = (k * 7919) % weights.get(name)!.length;
      const at = (shift: number) => {
        const moved = Float64Array.from(weights.get(name)!);
        moved[index] += shift;
        return interpret(graph, { inputs, state: { ...state, [name]: moved } }).outputs.loss.data[0];
      };
      const slope = (at(1e-5) - at(-1e-5)) / 2e-5;
      const analytic = updates[gradientName(name)].data[index];
      expect(Math.abs(analytic - slope), `${name}[${index}]`).toBeLessThan(1e-6 * (1 + Math.abs(slope)));
    }
  }, 60_000);

  test('location and quantiles are told, and the logits do not depend on them', async () => {
    const returns = await predictReturns(model, weights, windows);
    expect(returns.map(({ location, quantiles }) => [location.length, quantiles!.length])).toEqual(
      [0, 1].map(() => [rows, rows * RETURN_QUANTILES.length]),
    );
    expect(new Set(returns.flatMap(({ location }) => [...location])).size).toBeGreaterThan(rows);
    const plain = build();
    const own = new Map(plain.parameters().map(({ name }) => [name, weights.get(name)!]));
    expect(await predictLogits(model, weights, windows)).toEqual(await predictLogits(plain, own, windows));
  });

  test.skipIf(!nativeAvailable())(
    'training learns them, and an artefact gives the same classes everywhere',
    async () => {
      const { parameters, history } = await train(model, {
        ...{
          train: windows,
          validation: windows,
          seed: 2,
          batch: rows,
          steps: 30,
          learningRate: 1e-2,
          evaluateEvery: 30,
        },
        ...{ weightDecay: 0, regression: REGRESSION },
      });
      expect(history.steps.at(-1)!.loss).toBeLessThan(history.steps[0].loss);
      const bytes = await buildArtefact({
        ...{ model, parameters, featureSet: [], label: { base: 'mid' }, horizons: [10, 50] },
        featureNames: Array.from({ length: features }, (_, i) => `feature${i}`),
        scaler: { mean: new Float32Array(features), inverseStd: new Float32Array(features).fill(1) },
        ...{ classes: ['down', 'flat', 'up'], golden: values.slice(0, steps * features), batches: [1, 4] },
        card: { name: 'test', createdAt: '2026-01-02T03:04:05Z', dataSource: 'random', seed: 1, metrics: {} },
      });
      const logits = await predictLogits(model, parameters, windows);
      const x = new Float32Array(rows * steps * features);
      windows.batch(
        Int32Array.from({ length: rows }, (_, i) => i),
        x,
      );
      for (const backend of ['native', 'onnx'] as const) {
        const predictor = await loadPredictor(bytes, { backend });
        const prediction = predictor.predictSync(x).logits;
        for (let i = 0; i < rows; i++) {
          for (let c = 0; c < 6; c++) {
            const expected = logits[Math.floor(c / 3)][3 * i + (c % 3)];
            expect(Math.abs(prediction[6 * i + c] - expected), `${backend} ${i} ${c}`).toBeLessThan(1e-4);
          }
        }
        await predictor.dispose();
      }
    },
  );
});
