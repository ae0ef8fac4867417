import type { CalibrationBin, CoveragePoint, LatencySummary } from '../metrics/index.js';

/**
 * What one run found out, as plain data: the content of `metrics.json` and the source of `report.html`.
 * Every accuracy stands beside its label, horizon, class balance and baselines.
 */

/** The three classes of every direction label, in the order of the model's outputs. */
export const CLASSES = ['down', 'flat', 'up'] as const;

/** One horizon's target on the data, before any model. */
export interface HorizonMetrics {
  /** Events ahead. */
  horizon: number;
  name: string;
  /** |return| above which a move counts as up or down; fitted on the training part only. */
  threshold: number;
  /** Share of each class (down, flat, up) in each part. */
  balance: { train: number[]; validation: number[]; test: number[] };
  /** Scores on the test part of the two guesses that need no model. */
  baselines: { majority: Score; lastMove: Score };
  /** Synthetic data only: accuracy of someone who knows the hidden state of the generator. */
  reachable?: number;
}

export interface Score {
  accuracy: number;
  macroF1: number;
}

/** How one predictor did at one horizon on the test part. */
export interface PredictionScore extends Score {
  horizon: number;
  logLoss: number;
  brier: number;
  /** Expected calibration error of the top class. */
  calibrationError: number;
  /** confusion[actual][predicted] in rows. */
  confusion: number[][];
  coverage: CoveragePoint[];
  calibration: CalibrationBin[];
}

export interface PredictorMetrics {
  /** For people: 'native float32', 'native INT8', 'ONNX Runtime float32' … */
  name: string;
  backend: 'native' | 'onnx';
  precision: 'f32' | 'bf16' | 'int8';
  file: string;
  bytes: number;
  /** One prediction at batch 1, synchronous; for ONNX Runtime the time inside its session, without messaging. */
  latency: LatencySummary;
  /** Rows of the test part that were predicted, and how fast in batches. */
  rows: number;
  rowsPerSecond: number;
  scores: PredictionScore[];
}

/** How far two predictors are apart on the same rows. */
export interface Agreement {
  a: string;
  b: string;
  rows: number;
  maxLogitDifference: number;
  meanLogitDifference: number;
  /** Share of (row, horizon) pairs with the same top class. */
  sameClass: number;
}

/** How the experts of one mixture were used on validation windows. */
export interface ExpertMetrics {
  /** Path of the mixture in the model. */
  layer: string;
  /** Share of each expert in all choices. */
  shares: number[];
  /** Share of all choices that each expert would leave out in training, because it is full. */
  dropped: number[];
  /** Mean entropy of the router's probabilities in nats. */
  entropy: number;
}

export interface TrainingPoint {
  step: number;
  /** Mean training loss since the last point. */
  trainLoss: number;
  learningRate: number;
  validationLoss?: number;
  /** Validation accuracy at each horizon. */
  validationAccuracy?: number[];
  /** Of a model with mixtures of experts, one each. */
  experts?: ExpertMetrics[];
}

/** How a model was trained; an ensemble of different models: all of them together. */
export interface TrainingMetrics {
  steps: number;
  batch: number;
  seconds: number;
  examples: number;
  /** The step whose weights are kept, where it is one. */
  bestStep?: number;
  stoppedEarly: boolean;
  /** Of one run; of different models each has its own. */
  history: TrainingPoint[];
}

/** What a member of an ensemble reaches alone, at one horizon of the test part. */
export interface MemberScore extends Score {
  horizon: number;
  logLoss: number;
  /** Over all rows. */
  directional: number;
}

/** A member of an ensemble: what it is, how much it counts, and what it reaches alone. */
export interface MemberMetrics {
  name: string;
  /** What it was built with. */
  description: string;
  parameters: number;
  /** Of its probabilities in the ensemble's, one a horizon. */
  weights: number[];
  /** The step that its weights are from. */
  step: number;
  validation: { loss: number; accuracy: number[] };
  scores: MemberScore[];
  /** Its own run, where it has one. */
  training?: TrainingMetrics;
}

export interface EnsembleMetrics {
  kind: 'models' | 'snapshots' | 'geometric';
  weighting: 'equal' | 'learned';
  /** Of the ensemble, on the same validation rows as of its members. */
  validation: { loss: number; accuracy: number[] };
  members: MemberMetrics[];
}

export interface RunMetrics {
  version: 1;
  flashbook: string;
  createdAt: string;
  seed: number;
  source: { description: string; symbol: string; venue: string; format: string };
  machine: { cpu: string; isa: string; threads: number; node: string };
  data: {
    events: number;
    levels: number;
    /** Rebuilt rows that differ from the venue's own book; undefined when the feed has none. */
    mismatches?: number;
    /** Levels that came into view from beyond the feed's depth and were taken from its book. */
    levelsTaken?: number;
    features: number;
    window: number;
  };
  label: { kind: string; description: string };
  split: {
    train: [number, number];
    validation: [number, number];
    test: [number, number];
    purge: number;
    embargo: number;
  };
  model: { name: string; parameters: number; description: string };
  training: TrainingMetrics;
  ensemble?: EnsembleMetrics;
  horizons: HorizonMetrics[];
  predictors: PredictorMetrics[];
  agreement: Agreement[];
  /** Seconds of each stage, in order. */
  stages: { name: string; seconds: number }[];
}
