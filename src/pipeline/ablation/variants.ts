import {
  buildModel,
  type Classifier,
  type ModelName,
  PricePredictor,
  type PricePredictorOptions,
} from '../../models/index.js';
import { CLASSES } from '../../monitor/run-metrics.js';
import { adamW, layerwiseRates, steps, swaTail } from '../../optim/index.js';
import {
  curriculumBySteps,
  type TrainOptions,
  train,
  trainEnsemble,
  trainGeometric,
  trainProgressively,
  trainSnapshots,
  type Windows,
} from '../../train/index.js';
import { type RunConfig, type RunConfigInput, runConfig } from '../config.js';
import { runModel } from '../run-model.js';
import { trainOptionsOf } from '../train-stage.js';

/** What a variant is trained with. */
export interface VariantContext {
  /** The base with the variant's change. */
  config: RunConfig;
  /** Columns of the windows. */
  features: number;
  /** Windows, seed, schedule, optimiser and all other options of the configuration. */
  options: TrainOptions;
  /** Windows of another length, their last rows and labels the same. */
  windows(part: 'train' | 'validation', steps: number): Windows;
}

export interface TrainedVariant {
  model: Classifier;
  parameters: ReadonlyMap<string, Float32Array>;
}

export const GROUPS = [
  ...(['base', 'positions', 'attention', 'size', 'architecture', 'precision', 'optimiser', 'schedule'] as const),
  ...(['regularisation', 'augmentation', 'curriculum', 'growth', 'ensemble'] as const),
] as const;

/** One row of the table. */
export interface Variant {
  name: string;
  group: (typeof GROUPS)[number];
  /** What differs from the base. */
  change: RunConfigInput;
  /** Share of the base's steps that it makes: below 1 where it would take longer than all others together. Default 1. */
  share?: number;
  /** Where one run of `train` is not all. */
  train?(context: VariantContext): Promise<TrainedVariant>;
}

/**
 * The base: a price predictor so small that the whole table takes half an hour of one core. The deviation over seeds counts here,
 * not the last tenth of a percent.
 */
export const ABLATION_BASE: RunConfigInput = {
  model: 'pricePredictor',
  layers: 2,
  width: 32,
  heads: 4,
  feedForward: 128,
  window: 25,
  dropout: 0.1,
  batch: 64,
  steps: 600,
  learningRate: 2e-3,
  validationWindows: 1000,
  patience: 1000,
};

/** Sizes of other models stay their own, but for those of the transformer. */
const OWN_SIZES = { layers: undefined, width: undefined, heads: undefined, feedForward: undefined };

/** Every variant, in the order of the table. */
export const VARIANTS: readonly Variant[] = [
  { name: 'base', group: 'base', change: {} },

  { name: 'learned', group: 'positions', change: { positions: 'learned' } },
  { name: 'rotary', group: 'positions', change: { positions: 'rotary' } },
  { name: 'ALiBi', group: 'positions', change: { positions: 'alibi' } },
  { name: 'none', group: 'positions', change: { positions: 'none' } },

  { name: 'multi-scale', group: 'attention', change: { attention: 'multiScale' } },
  { name: 'multi-scale, rotary', group: 'attention', change: { attention: 'multiScale', positions: 'rotary' } },
  { name: '1 head', group: 'attention', change: { heads: 1 } },
  { name: '8 heads', group: 'attention', change: { heads: 8 } },

  { name: '1 layer', group: 'size', change: { layers: 1 } },
  { name: '4 layers', group: 'size', change: { layers: 4 } },
  { name: 'width 64', group: 'size', change: { width: 64, feedForward: 256 } },
  { name: 'window of 10', group: 'size', change: { window: 10 } },
  { name: 'window of 50', group: 'size', change: { window: 50 } },

  { name: 'mixture of 4 experts', group: 'architecture', change: { experts: 4 } },
  { name: 'pricePredictor', group: 'architecture', change: OWN_SIZES },
  {
    name: 'transformerBase, bf16, 1/2 of the steps',
    group: 'architecture',
    change: { ...OWN_SIZES, model: 'transformerBase', precision: 'bf16', learningRate: 3e-4 },
    share: 1 / 2,
  },
  {
    name: 'transformerLarge, bf16, 1/10 of the steps',
    group: 'architecture',
    change: { ...OWN_SIZES, model: 'transformerLarge', precision: 'bf16', learningRate: 2e-4 },
    share: 1 / 10,
  },
  { name: 'lstmBaseline', group: 'architecture', change: { ...OWN_SIZES, model: 'lstmBaseline' } },
  { name: 'tcnModel', group: 'architecture', change: { ...OWN_SIZES, model: 'tcnModel' } },
  { name: 'deepLob', group: 'architecture', change: { ...OWN_SIZES, model: 'deepLob', learningRate: 6e-4 } },
  { name: 'binCtabl', group: 'architecture', change: { ...OWN_SIZES, model: 'binCtabl' } },
  { name: 'rowMlp', group: 'architecture', change: { ...OWN_SIZES, model: 'rowMlp' } },
  { name: 'logisticRegression', group: 'architecture', change: { ...OWN_SIZES, model: 'logisticRegression' } },

  { name: 'bf16', group: 'precision', change: { precision: 'bf16' } },
  { name: 'activations computed again', group: 'precision', change: { recompute: 2 } },

  { name: 'SGD, momentum 0.9', group: 'optimiser', change: { optimizer: 'sgd', learningRate: 5e-2 } },
  {
    name: 'SGD, Nesterov momentum 0.9',
    group: 'optimiser',
    change: { optimizer: 'sgd', nesterov: true, learningRate: 5e-2 },
  },
  { name: 'Adam', group: 'optimiser', change: { optimizer: 'adam' } },
  { name: 'LAMB', group: 'optimiser', change: { optimizer: 'lamb', learningRate: 1e-2 } },
  { name: 'Lookahead', group: 'optimiser', change: { lookahead: 5 } },
  { name: 'gradient centralisation', group: 'optimiser', change: { centralise: true } },
  {
    name: 'Lookahead over LAMB, centralised',
    group: 'optimiser',
    change: { optimizer: 'lamb', learningRate: 1e-2, lookahead: 5, centralise: true },
  },
  { name: 'SAM', group: 'optimiser', change: { sam: 0.05 } },
  { name: 'ASAM', group: 'optimiser', change: { sam: 0.5, adaptiveSam: true } },
  { name: 'EMA', group: 'optimiser', change: { ema: 0.99 } },
  { name: 'SWA', group: 'optimiser', change: { swa: 0.75 } },
  { name: 'no clipping', group: 'optimiser', change: { clipNorm: 0 } },
  { name: 'clipping by value', group: 'optimiser', change: { clipValue: 0.01 } },
  { name: 'layer-wise rates', group: 'optimiser', change: {}, train: trainedWith(layerwise) },
  { name: '2 batches a step, half of the steps', group: 'optimiser', change: { accumulate: 2 }, share: 1 / 2 },

  { name: 'constant', group: 'schedule', change: { schedule: 'constant' } },
  { name: 'cosine with restarts', group: 'schedule', change: { schedule: 'cosineRestarts' } },
  { name: 'steps', group: 'schedule', change: {}, train: trainedWith(fallingSteps) },
  {
    name: 'SWA with a tail of constant rate',
    group: 'schedule',
    change: { swa: 0.75 },
    train: trainedWith(constantTail),
  },
  { name: 'one cycle', group: 'schedule', change: { schedule: 'oneCycle' } },
  { name: 'inverse square root', group: 'schedule', change: { schedule: 'inverseSqrt' } },
  { name: 'reduce on plateau', group: 'schedule', change: { schedule: 'reduceOnPlateau' } },
  { name: 'cosine, rate / 3', group: 'schedule', change: { learningRate: 2e-3 / 3 } },
  { name: 'cosine, rate · 3', group: 'schedule', change: { learningRate: 6e-3 } },

  { name: 'no dropout', group: 'regularisation', change: { dropout: 0 } },
  { name: 'dropout 0.3', group: 'regularisation', change: { dropout: 0.3 } },
  { name: 'attention dropout', group: 'regularisation', change: { attentionDropout: 0.1 } },
  { name: 'DropPath', group: 'regularisation', change: { dropPath: 0.1 } },
  { name: 'no label smoothing', group: 'regularisation', change: { labelSmoothing: 0 } },
  { name: 'focal loss', group: 'regularisation', change: { focalGamma: 2, labelSmoothing: 0 } },
  { name: 'balanced classes', group: 'regularisation', change: { classWeights: 'balanced' } },
  { name: 'mixup', group: 'regularisation', change: { mixup: 0.2 } },
  { name: 'CutMix', group: 'regularisation', change: { cutmix: 1 } },
  { name: 'no weight decay', group: 'regularisation', change: { weightDecay: 0 } },
  { name: 'learned horizon weights', group: 'regularisation', change: { learnHorizonWeights: true } },

  { name: 'location of returns', group: 'regularisation', change: { regression: 'location' } },
  { name: 'location and quantiles of returns', group: 'regularisation', change: { regression: 'quantiles' } },
  { name: 'early stopping', group: 'regularisation', change: { patience: 2 } },

  { name: 'mirror images', group: 'augmentation', change: { mirror: true } },
  { name: 'noise', group: 'augmentation', change: { augment: ['jitter'] } },
  { name: 'magnitude warping', group: 'augmentation', change: { augment: ['warpMagnitude'] } },
  { name: 'time warping', group: 'augmentation', change: { augment: ['warpTime'] } },
  { name: 'window slicing', group: 'augmentation', change: { augment: ['sliceWindow'] } },
  {
    name: 'all four',
    group: 'augmentation',
    change: { augment: ['sliceWindow', 'warpTime', 'warpMagnitude', 'jitter'] },
  },

  { name: 'by steps', group: 'curriculum', change: {}, train: trainedWith(joiningBySteps) },
  { name: 'by competence', group: 'curriculum', change: { curriculum: 'competence' } },
  { name: 'by mastery', group: 'curriculum', change: { curriculum: 'mastery' } },

  { name: 'layers and feed-forward', group: 'growth', change: {}, train: growLayers },
  { name: 'width and heads', group: 'growth', change: { positions: 'rotary' }, train: growWidth },
  { name: 'window', group: 'growth', change: {}, train: growWindow },

  { name: '4 snapshots', group: 'ensemble', change: {}, train: trainCycles },
  { name: 'fast geometric, 4', group: 'ensemble', change: {}, train: trainFastGeometric },
  { name: '4 of the base, 1/4 of the steps each', group: 'ensemble', change: {}, share: 1 / 4, train: trainSeeds },
  { name: 'base, rotary, LSTM, TCN', group: 'ensemble', change: {}, train: trainMixed },
  { name: 'transformerBase, base, LSTM, TCN', group: 'ensemble', change: {}, train: trainLargeMixed },
];

/** One run with options that a configuration does not have. */
function trainedWith(changed: (context: VariantContext) => Partial<TrainOptions>): Variant['train'] {
  return async (context) => {
    const model = runModel(context.config, context.features);
    return { model, ...(await train(model, { ...context.options, ...changed(context) })) };
  };
}

/** Rates that fall by a fifth from each part of the model to the one before. */
function layerwise({ config }: VariantContext): Partial<TrainOptions> {
  const layers = Array.from({ length: config.layers! }, (_, l) => `encoder.${l}`);
  const groups = layerwiseRates(['embedding', ...layers, 'norm', 'heads'], 0.8);
  return { optimizer: adamW({ weightDecay: config.weightDecay, clipNorm: config.clipNorm, groups }) };
}

/** A tenth of the rate after a third of the steps, a hundredth after two. */
function fallingSteps({ config: { learningRate, steps: total } }: VariantContext): Partial<TrainOptions> {
  return { schedule: steps({ learningRate, every: Math.ceil(total / 3) }) };
}

/** The cosine until averaging begins, then a fifth of the peak. */
function constantTail({ config, options }: VariantContext): Partial<TrainOptions> {
  const start = Math.max(1, Math.round(config.swa * config.steps));
  return { schedule: swaTail(options.schedule!, { start, learningRate: config.learningRate / 5 }) };
}

/** The second horizon after a quarter of the steps, the third after half of them. */
function joiningBySteps({ config: { horizons, steps: total } }: VariantContext): Partial<TrainOptions> {
  const starts = horizons.slice(1).map((_, h) => Math.round((total * (h + 1)) / (2 * (horizons.length - 1))));
  return { curriculum: curriculumBySteps({ starts }) };
}

/** A price predictor of the configuration with other sizes. */
function predictor({ config, features }: VariantContext, change: PricePredictorOptions): PricePredictor {
  return new PricePredictor({
    features,
    steps: config.window,
    horizons: config.horizons.length,
    dropout: config.dropout,
    layers: config.layers,
    dModel: config.width,
    heads: config.heads,
    feedForward: config.feedForward,
    ...(config.positions && { positions: config.positions }),
    ...change,
  });
}

/** Half the steps as the small model, then as the base: as many steps together, many of them cheaper. */
async function growing(
  context: VariantContext,
  small: PricePredictor,
  smallOptions: Partial<TrainOptions> = {},
): Promise<TrainedVariant> {
  const { config, options } = context;
  const half = Math.ceil(options.steps! / 2);
  const large = predictor(context, {});
  const { parameters } = await trainProgressively(
    [
      { model: small, options: { steps: half, ...smallOptions } },
      { model: large, options: { steps: options.steps! - half } },
    ],
    { ...options, schedule: undefined, learningRate: config.learningRate, minLearningRate: config.minLearningRate },
  );
  return { model: large, parameters };
}

function growLayers(context: VariantContext): Promise<TrainedVariant> {
  return growing(context, predictor(context, { layers: 1, feedForward: context.config.feedForward! / 2 }));
}

/** Rotary positions: sinusoidal ones of a narrow model are not those of a wide one. */
function growWidth(context: VariantContext): Promise<TrainedVariant> {
  const { width, heads, feedForward } = context.config;
  return growing(context, predictor(context, { dModel: width! / 2, heads: heads! / 2, feedForward: feedForward! / 2 }));
}

function growWindow(context: VariantContext): Promise<TrainedVariant> {
  const steps = Math.ceil(context.config.window / 2);
  const { windows } = context;
  return growing(context, predictor(context, { steps }), {
    train: windows('train', steps),
    validation: windows('validation', steps),
  });
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

/** The same model from four seeds. */
async function trainSeeds({ config, features, options }: VariantContext): Promise<TrainedVariant> {
  const members = [0, 1, 2, 3].map((member) => ({
    name: `seed-${member}`,
    model: () => runModel(config, features),
    options: { seed: 1000 * (member + 1) + config.seed },
  }));
  return trainEnsemble(members, options);
}

/** The budget of the base for each member. */
function trainMixed(context: VariantContext): Promise<TrainedVariant> {
  const { config, features, options } = context;
  return trainEnsemble(
    [
      { name: 'base', model: () => runModel(config, features) },
      { name: 'rotary', model: () => runModel({ ...config, positions: 'rotary' }, features) },
      { name: 'lstm', model: () => preset(context, 'lstmBaseline') },
      { name: 'tcn', model: () => preset(context, 'tcnModel') },
    ],
    options,
  );
}

/** As above, with the large transformer trained as in its own row. */
function trainLargeMixed(context: VariantContext): Promise<TrainedVariant> {
  const { config, options } = context;
  const own = variantConfig(VARIANTS.find(({ name }) => name.startsWith('transformerBase'))!, config);
  return trainEnsemble(
    [
      { name: 'transformer', model: () => preset(context, 'transformerBase'), options: trainOptionsOf(own) },
      { name: 'base', model: () => runModel(config, context.features) },
      { name: 'lstm', model: () => preset(context, 'lstmBaseline') },
      { name: 'tcn', model: () => preset(context, 'tcnModel') },
    ],
    options,
  );
}

/** A preset in its own size over the windows of the base. */
function preset({ config, features }: VariantContext, name: ModelName): Classifier {
  const { window: steps, dropout, horizons } = config;
  return buildModel(name, { features, steps, horizons: horizons.length, classes: CLASSES.length, dropout });
}

/** The configuration of a variant over that of the base; what follows from the number of steps follows anew. */
export function variantConfig({ change, share = 1 }: Variant, base: RunConfigInput): RunConfig {
  const steps = Math.ceil(share * base.steps!);
  return runConfig({ ...base, ...change, steps, warmupSteps: undefined, evaluateEvery: undefined });
}
