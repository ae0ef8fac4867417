import type { PredictionScore, PredictorMetrics, RunMetrics } from '../../src/monitor/run-metrics.js';

function score(horizon: number, accuracy: number): PredictionScore {
  return {
    horizon,
    accuracy,
    macroF1: accuracy - 0.01,
    logLoss: 1.02,
    brier: 0.6,
    calibrationError: 0.021,
    confusion: [
      [500, 300, 200],
      [250, 480, 270],
      [190, 290, 520],
    ],
    coverage: [1, 0.75, 0.5, 0.25, 0.1, 0.05].map((coverage) => ({
      coverage,
      threshold: 1 - coverage / 2,
      accuracy: accuracy + 0.2 * (1 - coverage),
      directional: accuracy + 0.18 + 0.15 * (1 - coverage),
    })),
    calibration: [0.38, 0.45, 0.55, 0.65, 0.75, 0.9].map((confidence, i) => ({
      confidence,
      accuracy: confidence - 0.02,
      count: 900 - 140 * i,
    })),
  };
}

function predictor(
  name: string,
  backend: 'native' | 'onnx',
  precision: 'f32' | 'int8',
  p50Ms: number,
  bytes: number,
): PredictorMetrics {
  const edgesMs = Array.from({ length: 21 }, (_, i) => 0.1 * 1.2 ** i);
  const counts = edgesMs
    .slice(1)
    .map((edge) => Math.round(400 * Math.exp(-(((Math.log(edge) - Math.log(p50Ms)) / 0.15) ** 2))));
  return {
    name,
    backend,
    precision,
    file: `model.${precision}.fbk`,
    bytes,
    latency: {
      count: counts.reduce((a, b) => a + b, 0),
      p50Ms,
      p90Ms: p50Ms * 1.2,
      p99Ms: p50Ms * 1.5,
      maxMs: p50Ms * 3,
      histogram: { edgesMs, counts },
    },
    rows: 29_000,
    rowsPerSecond: 1000 / p50Ms,
    scores: [score(10, 0.49), score(50, 0.48), score(100, 0.47)],
  };
}

/** Made-up metrics with every part filled. */
export function exampleMetrics(): RunMetrics {
  return {
    version: 1,
    flashbook: '0.1.0',
    createdAt: '2020-01-02T03:04:05.000Z',
    seed: 1,
    source: { description: 'GOOG_10.zip', symbol: 'GOOG', venue: 'NASDAQ', format: 'lobster' },
    machine: { cpu: 'AMD EPYC', isa: 'avx512vnni', threads: 2, node: '20.20.2' },
    data: { events: 147_916, levels: 10, mismatches: 0, levelsTaken: 2345, features: 79, window: 100 },
    label: {
      kind: 'mid',
      description: 'Direction of the mean of the next k mids against the mid now (Zhang et al. 2019, eq. 3).',
    },
    split: { train: [99, 88_000], validation: [88_200, 118_000], test: [118_200, 147_816], purge: 100, embargo: 99 },
    model: { name: 'price predictor', parameters: 1_022_601, description: '3 layers, width 128, 4 heads' },
    training: {
      steps: 2000,
      batch: 64,
      seconds: 612,
      examples: 128_000,
      bestStep: 1500,
      stoppedEarly: false,
      history: [500, 1000, 1500, 2000].map((step, i) => ({
        step,
        trainLoss: 1.1 - 0.02 * i,
        learningRate: 5e-4,
        validationLoss: 1.08 - 0.015 * i + 0.01 * (i === 3 ? 1 : 0),
        validationAccuracy: [0.42 + 0.02 * i, 0.43 + 0.015 * i, 0.41 + 0.02 * i],
      })),
    },
    horizons: [10, 50, 100].map((horizon) => ({
      horizon,
      name: `${horizon} events`,
      threshold: 2.1e-5,
      balance: { train: [0.33, 0.34, 0.33], validation: [0.3, 0.4, 0.3], test: [0.31, 0.37, 0.32] },
      baselines: { majority: { accuracy: 0.37, macroF1: 0.18 }, lastMove: { accuracy: 0.41, macroF1: 0.4 } },
    })),
    predictors: [
      predictor('native float32', 'native', 'f32', 0.9, 8_400_000),
      predictor('native INT8', 'native', 'int8', 0.45, 2_300_000),
      predictor('ONNX Runtime float32', 'onnx', 'f32', 1.5, 4_200_000),
    ],
    agreement: [
      {
        a: 'native float32',
        b: 'ONNX Runtime float32',
        rows: 29_000,
        maxLogitDifference: 1.2e-5,
        meanLogitDifference: 1e-6,
        sameClass: 1,
      },
    ],
    stages: [
      { name: 'read', seconds: 2.1 },
      { name: 'train', seconds: 612 },
    ],
  };
}
