import { buildModel, type Classifier, modelPreset } from '../../models/index.js';
import {
  curriculumByCompetence,
  type TrainOptions,
  train,
  trainEnsemble,
  trainGeometric,
  trainProgressively,
  trainSnapshots,
} from '../../train/index.js';
import type { RunConfig, RunConfigInput } from '../config.js';
import { runModel } from '../run-model.js';

/** What a variant is trained with. */
export interface VariantContext {
  /** The base with the variant's change. */
  config: RunConfig;
  /** Columns of the windows. */
  features: number;
  /** Windows, seed, schedule, optimiser and all other options of the configuration. */
  options: TrainOptions;
}

export interface TrainedVariant {
  model: Classifier;
  parameters: ReadonlyMap<string, Float32Array>;
}

/** One row of the table. */
export interface Variant {
  name: string;
  group: 'base' | 'architecture' | 'optimiser' | 'schedule' | 'regularisation' | 'data' | 'growth' | 'ensemble';
  /** What differs from the base. */
  change: RunConfigInput;
  /** Where one run of `train` is not all. */
  train?(context: VariantContext): Promise<TrainedVariant>;
}

/** The base: a small price predictor, so that every variant has three seeds within minutes. */
export const ABLATION_BASE: RunConfigInput = {
  model: 'pricePredictor',
  layers: 2,
  width: 64,
  heads: 4,
  feedForward: 256,
  window: 50,
  dropout: 0.2,
  batch: 64,
  steps: 600,
  learningRate: 6e-4,
  validationWindows: 2000,
  patience: 1000,
};

/** Sizes of other models stay their own, but for those of the transformer. */
const OWN_SIZES = { layers: undefined, width: undefined, heads: undefined, feedForward: undefined };

/** Every variant, in the order of the table. */
export const VARIANTS: readonly Variant[] = [
  { name: 'base', group: 'base', change: {} },

  { name: 'positions: learned', group: 'architecture', change: { positions: 'learned' } },
  { name: 'positions: rotary', group: 'architecture', change: { positions: 'rotary' } },
  { name: 'deeper: 4 layers', group: 'architecture', change: { layers: 4 } },
  { name: 'wider: 128', group: 'architecture', change: { width: 128, feedForward: 512 } },
  { name: 'heads: 8', group: 'architecture', change: { heads: 8 } },
  { name: 'price predictor', group: 'architecture', change: OWN_SIZES },
  { name: 'LSTM', group: 'architecture', change: { ...OWN_SIZES, model: 'lstmBaseline' } },
  { name: 'TCN', group: 'architecture', change: { ...OWN_SIZES, model: 'tcnModel' } },
  { name: 'DeepLOB', group: 'architecture', change: { ...OWN_SIZES, model: 'deepLob' } },
  { name: 'BiN-CTABL', group: 'architecture', change: { ...OWN_SIZES, model: 'binCtabl' } },

  { name: 'SGD, momentum 0.9', group: 'optimiser', change: { optimizer: 'sgd', learningRate: 3e-2 } },
  { name: 'Adam', group: 'optimiser', change: { optimizer: 'adam' } },
  { name: 'LAMB', group: 'optimiser', change: { optimizer: 'lamb', learningRate: 6e-3 } },
  { name: 'Lookahead', group: 'optimiser', change: { lookahead: 5 } },
  { name: 'gradient centralisation', group: 'optimiser', change: { centralise: true } },
  { name: 'SAM', group: 'optimiser', change: { sam: 0.05 } },
  { name: 'ASAM', group: 'optimiser', change: { sam: 0.5, adaptiveSam: true } },
  { name: 'EMA', group: 'optimiser', change: { ema: 0.99 } },
  { name: 'SWA', group: 'optimiser', change: { swa: 0.75 } },

  { name: 'constant rate', group: 'schedule', change: { schedule: 'constant' } },
  { name: 'cosine with restarts', group: 'schedule', change: { schedule: 'cosineRestarts' } },
  { name: 'one cycle', group: 'schedule', change: { schedule: 'oneCycle' } },
  { name: 'inverse square root', group: 'schedule', change: { schedule: 'inverseSqrt' } },
  { name: 'reduce on plateau', group: 'schedule', change: { schedule: 'reduceOnPlateau' } },

  { name: 'no dropout', group: 'regularisation', change: { dropout: 0 } },
  { name: 'DropPath', group: 'regularisation', change: { dropPath: 0.1 } },
  { name: 'no label smoothing', group: 'regularisation', change: { labelSmoothing: 0 } },
  { name: 'focal loss', group: 'regularisation', change: { focalGamma: 2, labelSmoothing: 0 } },
  { name: 'balanced classes', group: 'regularisation', change: { classWeights: 'balanced' } },
  { name: 'mixup', group: 'regularisation', change: { mixup: 0.2 } },
  { name: 'CutMix', group: 'regularisation', change: { cutmix: 1 } },
  { name: 'no weight decay', group: 'regularisation', change: { weightDecay: 0 } },
  { name: 'learned horizon weights', group: 'regularisation', change: { learnHorizonWeights: true } },

  { name: 'noise', group: 'data', change: { augment: ['jitter'] } },
  { name: 'magnitude warping', group: 'data', change: { augment: ['warpMagnitude'] } },
  { name: 'time warping', group: 'data', change: { augment: ['warpTime'] } },
  { name: 'window slicing', group: 'data', change: { augment: ['sliceWindow'] } },
  { name: 'curriculum', group: 'data', change: {}, train: trainCurriculum },

  { name: 'progressive growing', group: 'growth', change: {}, train: trainGrowing },

  { name: 'snapshots', group: 'ensemble', change: {}, train: trainCycles },
  { name: 'fast geometric', group: 'ensemble', change: {}, train: trainFastGeometric },
  { name: 'base + rotary + LSTM + TCN', group: 'ensemble', change: {}, train: trainMixed },
];

async function trainCurriculum({ config, features, options }: VariantContext): Promise<TrainedVariant> {
  const model = runModel(config, features);
  const curriculum = curriculumByCompetence({ totalSteps: Math.ceil(options.steps! / 2) });
  return { model, ...(await train(model, { ...options, curriculum })) };
}

/** Half the steps with one layer of half the feed-forward, then the base. */
async function trainGrowing({ config, features, options }: VariantContext): Promise<TrainedVariant> {
  const steps = options.steps!;
  const sizes = { dropout: config.dropout, features, steps: config.window, horizons: config.horizons.length };
  const stage = (layers: number, feedForward: number) =>
    modelPreset('pricePredictor').build({
      ...sizes,
      layers,
      feedForward,
      dModel: config.width,
      heads: config.heads,
    }) as Parameters<typeof trainProgressively>[0][number]['model'];
  const small = stage(1, config.feedForward! / 2);
  const large = stage(config.layers!, config.feedForward!);
  const half = Math.ceil(steps / 2);
  const result = await trainProgressively(
    [
      { model: small, options: { steps: half } },
      { model: large, options: { steps: steps - half } },
    ],
    { ...options, schedule: undefined, learningRate: config.learningRate, minLearningRate: config.minLearningRate },
  );
  return { model: large, parameters: result.parameters };
}

async function trainCycles({ config, features, options }: VariantContext): Promise<TrainedVariant> {
  return trainSnapshots(() => runModel(config, features), {
    ...options,
    steps: options.steps!,
    learningRate: config.learningRate,
    cycles: 4,
  });
}

/** Three quarters of the steps to the beginning of the cycles. */
async function trainFastGeometric({ config, features, options }: VariantContext): Promise<TrainedVariant> {
  const before = Math.round(0.75 * options.steps!);
  const { parameters } = await train(runModel(config, features), { ...options, steps: before });
  const cycle = 2 * Math.max(1, Math.floor((options.steps! - before) / 8));
  return trainGeometric(() => runModel(config, features), {
    ...options,
    steps: 4 * cycle,
    cycle,
    learningRate: config.learningRate / 2,
    minLearningRate: config.learningRate / 20,
    initial: parameters,
  });
}

/** The budget of the base for each member. */
async function trainMixed({ config, features, options }: VariantContext): Promise<TrainedVariant> {
  const shared = {
    features,
    steps: config.window,
    horizons: config.horizons.length,
    classes: 3,
    dropout: config.dropout,
  };
  return trainEnsemble(
    [
      { name: 'base', model: () => runModel(config, features) },
      { name: 'rotary', model: () => runModel({ ...config, positions: 'rotary' }, features) },
      { name: 'lstm', model: () => buildModel('lstmBaseline', shared) },
      { name: 'tcn', model: () => buildModel('tcnModel', shared) },
    ],
    options,
  );
}
