import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { WindowDataset } from '../../src/data/index.js';
import { buildArtefact } from '../../src/export/index.js';
import { constants, interpret, stateSpecs } from '../../src/graph/index.js';
import { buildModel, Ensemble, ensembleParameters } from '../../src/models/index.js';
import { initialise, RETURN_QUANTILES } from '../../src/nn/index.js';
import { adamW, ema, gradientName } from '../../src/optim/index.js';
import { loadPredictor } from '../../src/predict/index.js';
import { evaluate, gradientGraph, predictLogits, predictReturns, train } from '../../src/train/index.js';
import { COLUMNS, HORIZONS, learnableWindows, STEPS, shortRun, smallModel } from './fixture.js';

const SHAPE = { batch: 6, steps: STEPS, columns: COLUMNS };
const LOSS = { labelSmoothing: 0.1, horizonWeights: [1, 0.5] };

/** Returns of half the last feature and noise of deviation 0.5, some of them missing; the class is their sign. */
function noisyReturns(rows: number, seed: number): WindowDataset {
  const random = new Random(seed);
  const values = Float32Array.from({ length: rows * COLUMNS }, () => random.normal());
  const returns = Float32Array.from({ length: rows }, (_, i) => 0.5 * values[i * COLUMNS] + 0.5 * random.normal());
  const classes = Int32Array.from(returns, (r) => (r < -0.3 ? 0 : r > 0.3 ? 2 : 1));
  const gaps = returns.map((r, i) => (i % 10 === 0 ? Number.NaN : r));
  const lastRows = Int32Array.from({ length: rows - STEPS + 1 }, (_, i) => i + STEPS - 1);
  return new WindowDataset({
    ...{ values, columns: COLUMNS, steps: STEPS, rows: lastRows },
    targets: [classes, classes],
    returns: [gaps, gaps],
  });
}

describe('regression beside classes', () => {
  const model = smallModel({ regression: 'quantiles', dropout: 0 });
  const weights = initialise(model, 3);
  const windows = learnableWindows(SHAPE.batch, 11);
  const returns = [Float32Array.of(0.5, -3, Number.NaN, 0, 1, -0.2), Float32Array.of(0, 0, 0.1, -0.1, 4, Number.NaN)];
  const inputs = {
    ...{ x: windows.x, 'target.0': windows.targets[0], 'target.1': windows.targets[1] },
    ...{ 'return.0': returns[0], 'return.1': returns[1], rng: Uint32Array.of(7, 0, 1, 0) },
  };

  function run(regression: { weight: number; delta: number }, state: Record<string, ArrayLike<number>> = {}) {
    const { graph } = gradientGraph(model, SHAPE, { ...LOSS, regression });
    const all = { ...Object.fromEntries([...constants(graph), ...weights]), ...state };
    for (const { name, shape } of stateSpecs(graph)) all[name] ??= new Float64Array(shape.reduce((n, d) => n * d, 1));
    return interpret(graph, { inputs, state: all });
  }

  test('the loss is cross-entropy, Huber and pinball, each by its formula', () => {
    // A head of weight 0 says its bias: location 0.25, quantiles 0.1 … 0.5.
    const state: Record<string, ArrayLike<number>> = {};
    for (let h = 0; h < HORIZONS; h++) {
      state[`heads.${h}.returns.location.weight`] = new Float64Array(2);
      state[`heads.${h}.returns.location.bias`] = Float64Array.of(0.25);
      state[`heads.${h}.returns.quantiles.weight`] = new Float64Array(10);
      state[`heads.${h}.returns.quantiles.bias`] = Float64Array.of(0.1, 0.2, 0.3, 0.4, 0.5);
    }
    const loss = (weight: number) => run({ weight, delta: 1 }, state).outputs.loss.data[0];
    const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
    const expected = returns.map((list) => {
      const known = [...list].filter((r) => !Number.isNaN(r));
      const huber = mean(known.map((r) => (Math.abs(r - 0.25) <= 1 ? (r - 0.25) ** 2 / 2 : Math.abs(r - 0.25) - 0.5)));
      const pinball = known.flatMap((r) =>
        RETURN_QUANTILES.map((q, j) => Math.max(q * (r - 0.1 * (j + 1)), (q - 1) * (r - 0.1 * (j + 1)))),
      );
      return huber + mean(pinball);
    });
    expect(loss(2) - loss(0)).toBeCloseTo(2 * (expected[0] + 0.5 * expected[1]), 6);
  });

  test('its gradients are the slopes of the loss, to the trunk', () => {
    const regression = { weight: 1, delta: 1 };
    const { updates } = run(regression);
    const h = 1e-4;
    for (const name of ['heads.0.returns.location.weight', 'heads.1.returns.quantiles.bias', 'embedding.weight']) {
      const values = Float64Array.from(weights.get(name)!);
      const at = (shift: number) => {
        const moved = values.slice();
        moved[1] += shift;
        return run(regression, { [name]: moved }).outputs.loss.data[0];
      };
      const slope = (at(h) - at(-h)) / (2 * h);
      const index = 1;
      expect(updates[gradientName(name)].data[index], name).toBeCloseTo(slope, 4);
    }
  });

  test('learns location and quantiles of the returns', async () => {
    const learner = buildModel('rowMlp', {
      ...{
        features: COLUMNS,
        steps: STEPS,
        horizons: 2,
        dropout: 0,
        regression: 'quantiles',
        width: 16,
        hidden: 32,
        layers: 1,
      },
    });
    const [windows, fresh] = [noisyReturns(4000, 1), noisyReturns(2000, 2)];
    const { parameters } = await train(learner, {
      ...{ train: windows, validation: fresh, seed: 1, batch: 64, steps: 400, learningRate: 1e-2 },
      regression: { weight: 2 },
    });
    const [{ location, quantiles }] = await predictReturns(learner, parameters, fresh, { batch: 200 });
    const truth = [new Float32Array(fresh.length), new Float32Array(fresh.length)];
    fresh.returns!(
      Int32Array.from(truth[0], (_, i) => i),
      truth,
    );
    const known = [...truth[0].keys()].filter((i) => !Number.isNaN(truth[0][i]));
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    // The noise has variance 0.25, the return 0.5.
    expect(mean(known.map((i) => (truth[0][i] - location[i]) ** 2))).toBeLessThan(0.3);
    for (const [j, q] of RETURN_QUANTILES.entries()) {
      const below = mean(known.map((i) => (truth[0][i] < quantiles![i * RETURN_QUANTILES.length + j] ? 1 : 0)));
      expect(Math.abs(below - q), `quantile ${q}`).toBeLessThan(0.06);
    }
  });

  test('with averaged weights, evaluations and the result have the heads', async () => {
    const windows = noisyReturns(200, 1);
    const options = { train: windows, validation: windows, seed: 1, batch: 16, steps: 4, regression: true };
    const { parameters, bestLoss } = await train(model, { ...options, optimizer: ema(adamW()) });
    expect(parameters.has('heads.1.returns.quantiles.bias')).toBe(true);
    expect((await evaluate(model, parameters, windows, { labelSmoothing: 0.1 })).loss).toBeCloseTo(bestLoss, 5);
  });

  test('an artefact holds the classes alone', async () => {
    const bytes = await buildArtefact({
      ...{ model, parameters: weights, featureSet: [], featureNames: ['a', 'b', 'c'], horizons: [1, 2] },
      scaler: { mean: new Float32Array(COLUMNS), inverseStd: new Float32Array(COLUMNS).fill(1) },
      ...{ label: { base: 'mid' }, classes: ['down', 'flat', 'up'], golden: windows.x.slice(0, STEPS * COLUMNS) },
      card: { name: 'test', createdAt: '2026-01-02T03:04:05Z', dataSource: 'random', seed: 1, metrics: {} },
    });
    const predictor = await loadPredictor(bytes);
    const { logits } = predictor.predictSync(windows.x.slice(0, STEPS * COLUMNS));
    const expected = await predictLogits(model, weights, windows, { batch: 1 });
    for (let h = 0; h < HORIZONS; h++) {
      for (let c = 0; c < 3; c++) expect(logits[3 * h + c]).toBeCloseTo(expected[h][c], 4);
    }
    await predictor.dispose();
  });

  test('an ensemble with a member that tells nothing of returns joins the classes alone', async () => {
    const joined = new Ensemble(
      [smallModel({ regression: 'quantiles', dropout: 0 }), smallModel()], // a member belongs to its ensemble: not `model`
      [
        [1, 0],
        [1, 0],
      ],
    );
    const parameters = ensembleParameters([weights, initialise(smallModel(), 1)]);
    const [a, b] = [await predictLogits(joined, parameters, windows), await predictLogits(model, weights, windows)];
    const difference = (logits: Float32Array) => logits[1] - logits[0];
    for (let h = 0; h < HORIZONS; h++) expect(difference(a[h])).toBeCloseTo(difference(b[h]), 4);
    await expect(predictReturns(joined, parameters, windows)).rejects.toThrow(/regression 'location' or 'quantiles'/);
  });

  test('an ensemble of such members has the weighted means of locations and of quantiles', async () => {
    const build = () => smallModel({ regression: 'quantiles', dropout: 0 });
    const shares = [
      [0.25, 0.75],
      [1, 0],
    ];
    const joined = new Ensemble([build(), build()], shares);
    const each = [weights, initialise(build(), 9)];
    const returns = await predictReturns(joined, ensembleParameters(each), windows);
    const alone = [await predictReturns(build(), each[0], windows), await predictReturns(build(), each[1], windows)];
    for (let h = 0; h < HORIZONS; h++) {
      for (const what of ['location', 'quantiles'] as const) {
        returns[h][what]!.forEach((value, i) => {
          const mean = shares[h][0] * alone[0][h][what]![i] + shares[h][1] * alone[1][h][what]![i];
          expect(value).toBeCloseTo(mean, 5);
        });
      }
    }
    const mixed = new Ensemble([build(), smallModel({ regression: 'location', dropout: 0 })], shares);
    const parts = [weights, initialise(smallModel({ regression: 'location' }), 2)];
    for (const own of await predictReturns(mixed, ensembleParameters(parts), windows)) {
      expect(own.location).toHaveLength(windows.length);
      expect(own.quantiles).toBeUndefined();
    }
  });

  test('what does not fit is said', async () => {
    const windows = noisyReturns(100, 1);
    const options = { train: windows, validation: windows, seed: 1, steps: 1 };
    await expect(train(smallModel(), { ...options, regression: true })).rejects.toThrow(/build it with regression/);
    await expect(train(model, options)).rejects.toThrow(/true, for the model's heads have regression/);
    await expect(train(model, shortRun({ regression: true }))).rejects.toThrow(/needs returns in the windows of train/);
    await expect(train(model, { ...options, regression: true, mixup: 0.2 })).rejects.toThrow(/no 'mixup' or 'cutmix'/);
    await expect(predictReturns(smallModel(), initialise(smallModel(), 1), windows)).rejects.toThrow(
      /expected 'model'|model/,
    );
    expect(() => smallModel({ regression: 'median' as never })).toThrow(/none, location, quantiles|location/);
  });
});
