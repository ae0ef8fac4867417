import { Random } from '../../src/core/random.js';
import type { ArtefactOptions } from '../../src/export/artefact.js';
import { PricePredictor, type PricePredictorOptions } from '../../src/models/index.js';
import { initialise } from '../../src/nn/index.js';

/** A price predictor small enough for tests that build many artefacts. */
export const SMALL: PricePredictorOptions = {
  features: 5,
  steps: 12,
  dModel: 32,
  heads: 2,
  layers: 2,
  feedForward: 64,
  horizons: 2,
};

/** Raw windows around the scaler's means, from a seed. */
export function rawWindows(n: number, steps: number, features: number, seed = 1): Float32Array {
  const random = new Random(seed, 7);
  return Float32Array.from(
    { length: n * steps * features },
    (_, i) => (i % features) * 10 + 4 * (random.float() - 0.5),
  );
}

/** Everything that `buildArtefact` wants, for a model with random parameters (biases and norms moved off 0 and 1, too). */
export function artefactOptions(
  size: PricePredictorOptions = {},
  change: Partial<ArtefactOptions> = {},
): ArtefactOptions {
  const model = new PricePredictor(size);
  const { features, steps, horizons, classes } = model.options;
  const parameters = initialise(model, 3);
  const random = new Random(5, 11);
  for (const values of parameters.values()) {
    for (let i = 0; i < values.length; i++) values[i] += 0.1 * (random.float() - 0.5) * (Math.abs(values[i]) + 0.2);
  }
  return {
    model,
    parameters,
    scaler: {
      mean: Float32Array.from({ length: features }, (_, i) => i * 10),
      inverseStd: new Float32Array(features).fill(0.85),
    },
    featureSet: [{ name: 'mid', params: {} }],
    featureNames: Array.from({ length: features }, (_, i) => `feature${i}`),
    label: { base: 'mid', thresholds: [0.1, 0.2, 0.3].slice(0, horizons) },
    horizons: [10, 50, 100].slice(0, horizons),
    classes: ['down', 'flat', 'up'].slice(0, classes),
    card: {
      name: 'test model',
      createdAt: '2026-01-02T03:04:05Z',
      dataSource: 'synthetic, seed 1',
      seed: 3,
      metrics: { accuracy: 0.5 },
    },
    golden: rawWindows(1, steps, features),
    ...change,
  };
}
