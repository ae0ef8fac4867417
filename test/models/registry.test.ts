import { describe, expect, test } from 'vitest';
import { buildArtefact } from '../../src/export/index.js';
import { compilePlan, Graph, graphStatistics } from '../../src/graph/index.js';
import { buildModel, DeepLob, MODEL_NAMES, MODELS, PricePredictor, TcnModel } from '../../src/models/index.js';
import { nativeAvailable } from '../../src/native/index.js';
import { initialise } from '../../src/nn/index.js';
import { loadPredictor } from '../../src/predict/index.js';
import { gradientGraph } from '../../src/train/plans.js';
import { runNative } from '../graph/run-native.js';
import { normalValues } from './table.js';

describe('presets', () => {
  test.each([
    ['pricePredictor', 1_022_601],
    ['transformerBase', 4_866_057],
    ['transformerLarge', 38_329_353],
    ['lstmBaseline', 233_609],
    ['tcnModel', 146_569],
    ['deepLob', 144_297],
    ['binCtabl', 11_206],
  ] as const)('%s has %i parameters', (name, parameters) => {
    expect(buildModel(name).parameterCount()).toBe(parameters);
  });

  test('DeepLOB with one horizon has the 143,907 parameters of its published implementation', () => {
    expect(new DeepLob({ horizons: 1 }).parameterCount()).toBe(143_907);
  });

  test('all have the names that the command line takes, a title and a source', () => {
    expect(new Set(MODEL_NAMES).size).toBe(MODELS.length);
    for (const { title, description, source } of MODELS) expect([title, description, source].every(Boolean)).toBe(true);
  });

  test('sizes go by their common names; what a model has no meaning for is refused', () => {
    expect(buildModel('tcnModel', {}, { width: 32, layers: 4 }).options).toMatchObject({ channels: 32, layers: 4 });
    expect(buildModel('transformerBase', { features: 9 }, { heads: 4 }).options).toMatchObject({
      features: 9,
      dModel: 256,
      heads: 4,
      layers: 6,
    });
    expect(() => buildModel('lstmBaseline', {}, { heads: 4 })).toThrow("lstmBaseline has no option 'heads'");
    expect(() => buildModel('tcn' as 'tcnModel')).toThrow('for model');
    expect(() => buildModel('tcnModel', { kernal: 3 })).toThrow("did you mean 'kernel'");
    expect(() => new DeepLob({ features: 20 })).toThrow('at least 4 · levels = 40');
    expect(() => new TcnModel().forward(new Graph().input('x', [1, 5, 6]))).toThrow('x of TcnModel');
  });
});

const LAYERS = [3, 6, 12, 24];
const WIDTHS = [128, 256, 512, 768];
const HEADS = [4, 8, 16, 32];
const SCALES = LAYERS.flatMap((layers) =>
  WIDTHS.flatMap((dModel) => HEADS.map((heads) => ({ layers, dModel, heads }))),
);

describe('scaling', () => {
  test('every depth, width and number of heads can be built and counted', () => {
    for (const { layers, dModel, heads } of SCALES) {
      const model = new PricePredictor({ layers, dModel, heads });
      const head = (dModel * dModel) / 2 + dModel / 2 + dModel + ((dModel / 2) * dModel) / 4 + dModel / 4 + dModel / 2;
      const layer = 4 * dModel * dModel + 4 * dModel + 2 * 1024 * dModel + 1024 + dModel + 4 * dModel;
      const expected = 7 * dModel + layers * layer + 2 * dModel + 3 * (head + (3 * dModel) / 4 + 3);
      expect(model.parameterCount(), JSON.stringify(model.options)).toBe(expected);
      const graph = new Graph();
      model.forward(graph.input('x', [1, 100, 6])).map((logits, h) => graph.output(`y${h}`, logits));
      expect(graphStatistics(graph).parameters).toBe(expected);
    }
  });

  // Every depth with every width, and each of them with every number of heads.
  const sample = SCALES.filter(
    ({ layers, dModel, heads }) => HEADS.indexOf(heads) === (LAYERS.indexOf(layers) + WIDTHS.indexOf(dModel)) % 4,
  );
  test.skipIf(!nativeAvailable()).each(sample.map((scale) => [JSON.stringify(scale), scale] as const))(
    'a step of %s can be trained',
    (_, scale) => {
      const steps = 6;
      const model = new PricePredictor({ ...scale, steps, feedForward: 64, horizons: 1, dropout: 0.1 });
      const shape = { batch: 2, steps, columns: 6 };
      const { graph } = gradientGraph(model, shape, { labelSmoothing: 0.1, horizonWeights: [1] });
      const x = normalValues(2 * steps * 6, 1);
      const given = {
        inputs: { x, 'target.0': [0, 2], rng: [1, 2, 3, 0] },
        state: Object.fromEntries(initialise(model, 1)),
      };
      const { outputs, updates } = runNative(graph, given);
      expect(outputs.loss[0]).toBeGreaterThan(0.3);
      expect(outputs.loss[0]).toBeLessThan(3);
      for (const [name, gradient] of Object.entries(updates)) expect(gradient.every(Number.isFinite), name).toBe(true);
    },
    60_000,
  );

  test('the largest compiles to plans of prediction and training', () => {
    const model = new PricePredictor({ layers: 24, dModel: 768, heads: 32 });
    const { graph } = gradientGraph(
      model,
      { batch: 1, steps: 100, columns: 6 },
      { labelSmoothing: 0, horizonWeights: [1, 1, 1] },
    );
    expect(compilePlan(graph).steps.length).toBeGreaterThan(24 * 20);
  }, 60_000);

  // Every depth, width and number of heads once.
  test.each([
    { layers: 24, dModel: 128, heads: 16 },
    { layers: 12, dModel: 256, heads: 32 },
    { layers: 6, dModel: 512, heads: 8 },
    { layers: 3, dModel: 768, heads: 4 },
  ])(
    'one of $layers × $dModel with $heads heads is exported and predicted',
    async (scale) => {
      const model = new PricePredictor({ ...scale, steps: 10, feedForward: 64 });
      const bytes = await buildArtefact({
        model,
        parameters: initialise(model, 4),
        scaler: { mean: new Float32Array(6), inverseStd: new Float32Array(6).fill(1) },
        featureSet: [],
        featureNames: ['a', 'b', 'c', 'd', 'e', 'f'],
        label: {},
        horizons: [1, 2, 3],
        classes: ['down', 'flat', 'up'],
        card: { name: 'scaled', createdAt: '2026-01-02T03:04:05Z', dataSource: 'random', seed: 4, metrics: {} },
        golden: normalValues(60, 2),
        batches: [1],
      });
      const predictor = await loadPredictor(bytes);
      expect(predictor.predictSync(normalValues(60, 3)).logits).toHaveLength(9);
      predictor.dispose();
    },
    60_000,
  );
});
