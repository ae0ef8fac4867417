import { type Clock, systemClock } from '../core/clock.js';
import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, finite, integer, oneOf } from '../core/options.js';
import type { Augmentation } from '../data/index.js';
import type { Precision } from '../graph/index.js';
import { type Device, type DeviceName, resolveDevice } from '../native/index.js';
import { adamW, clippedByValue, type Optimizer, type Schedule, warmupCosine } from '../optim/index.js';
import type { TrainCallback } from './callbacks.js';
import { type Configuration, digestOf } from './configuration.js';
import type { Curriculum } from './curriculum.js';
import { type LossScaleOptions, LossScaler } from './loss-scaler.js';
import { checkHorizonWeights } from './losses.js';
import type { TrainableModel } from './model.js';
import type { TrainProgress } from './progress.js';
import {
  type RegressionOptions,
  type ResolvedRegression,
  regressionConfiguration,
  resolveRegression,
} from './regression.js';
import type { Windows } from './windows.js';

export interface TrainOptions {
  /** Windows to learn from, features already scaled. */
  train: Windows;
  /** Windows to choose the best weights by. */
  validation: Windows;
  /** An integer in [0, 2^53): initial weights, order of windows, dropout. */
  seed: number;
  /** Windows a step; at most as many as `train` has. */
  batch?: number;
  /** Optimiser steps; give this or `epochs`. */
  steps?: number;
  /** Passes over the training windows; default 10 where neither is given. */
  epochs?: number;
  /** Highest learning rate. */
  learningRate?: number;
  /** Steps of linear warm-up; default a twentieth of all steps. */
  warmupSteps?: number;
  /** Learning rate of the last step; default a hundredth of `learningRate`. */
  minLearningRate?: number;
  /** Another schedule than warm-up and cosine; takes the place of the three options above. */
  schedule?: Schedule;
  /** AdamW's decoupled weight decay. */
  weightDecay?: number;
  /** Largest global gradient norm; 0 does not clip. */
  clipNorm?: number;
  /** Another optimiser than AdamW; takes the place of the two options above. */
  optimizer?: Optimizer;
  /** Gradients are clipped to ± this value before the optimiser sees them; default not. */
  clipValue?: number;
  /** Batches whose gradients make one step, as if they were one batch. */
  accumulate?: number;
  /**
   * 'bf16': matrix products round their operands to bf16 (see `autocast`); weights, sums, the optimiser and the logits stay float32.
   * Evaluations too. Default 'f32'.
   */
  precision?: Precision;
  /**
   * Dynamic loss scaling, for gradients in half precision: a step whose gradients overflow is left out. `true`, or its numbers.
   */
  lossScale?: boolean | LossScaleOptions;
  /**
   * Compute activations again in the backward pass instead of keeping them all: less memory, more time, the same bits. `true`, or
   * into how many segments the forward pass is cut.
   */
  recompute?: boolean | number;
  /** Changes of the windows, one after the other, new ones in every step. */
  augment?: readonly Augmentation[];
  /** α of mixup; 0 does not mix. */
  mixup?: number;
  /** α of CutMix; 0 does not cut. With both, each batch takes one or the other. */
  cutmix?: number;
  /** Weights of the classes in the loss: one list a horizon, or 'balanced' for all classes to weigh the same. */
  classWeights?: 'balanced' | readonly (readonly number[])[];
  /** γ of the focal loss; 0 is cross-entropy. */
  focalGamma?: number;
  /** Learn how much each horizon counts (Kendall et al. 2018), on top of `horizonWeights`. */
  learnHorizonWeights?: boolean;
  /**
   * Learn the returns too, where the model's heads have regression: a Huber loss on their location (Huber 1964), the pinball loss on their
   * quantiles (Koenker & Bassett 1978). The windows must have `returns`. `true`, or its numbers. Evaluations are of the classes alone.
   */
  regression?: boolean | RegressionOptions;
  /** ε of the smoothed cross-entropy, 0 … 1. */
  labelSmoothing?: number;
  /** Weight of each horizon's loss; all 1 by default. */
  horizonWeights?: readonly number[];
  /** Steps between evaluations; default once an epoch, but at least 10 times in the run. The last step is always evaluated. */
  evaluateEvery?: number;
  /** At most so many validation windows, evenly spaced. */
  maxValidationWindows?: number;
  /** Evaluations without a better validation loss before training stops; default never. */
  patience?: number;
  /** By how much the validation loss must fall to count as better. */
  minDelta?: number;
  /** Weights to begin with, by parameter name, instead of those drawn from the seed. */
  initial?: ReadonlyMap<string, Float32Array>;
  /** Path of the checkpoint file. Without it nothing is saved. */
  checkpoint?: string;
  /** Steps between checkpoints; default none by steps. */
  checkpointEverySteps?: number;
  /** Seconds between checkpoints. */
  checkpointEverySeconds?: number;
  /** Go on from the checkpoint where there is one. */
  resume?: boolean;
  /** Path of a log of JSON lines. */
  log?: string;
  /** Folder of an event file for TensorBoard. */
  tensorboard?: string;
  /** Stops after the step that runs; with `checkpoint` the state is saved first. */
  signal?: AbortSignal;
  /** Which horizons count when; they must be ordered from easy to hard. */
  curriculum?: Curriculum;
  /** Told of every step and evaluation; may end the run. */
  callbacks?: readonly TrainCallback[];
  onProgress?: (progress: TrainProgress) => void;
  /** Time every kernel call: the result then has `profile`. Costs a clock reading a call. Default false. */
  profile?: boolean;
  /** Where plans run; default the native CPU. */
  device?: Device | DeviceName;
  /** Milliseconds, for progress and for `checkpointEverySeconds`; never reaches a result. */
  clock?: Clock;
}

const OPTIONS: readonly (keyof TrainOptions)[] = [
  'train',
  'validation',
  'seed',
  'batch',
  'steps',
  'epochs',
  'learningRate',
  'warmupSteps',
  'minLearningRate',
  'schedule',
  'weightDecay',
  'clipNorm',
  'optimizer',
  'clipValue',
  'accumulate',
  'precision',
  'lossScale',
  'recompute',
  'augment',
  'mixup',
  'cutmix',
  'classWeights',
  'focalGamma',
  'learnHorizonWeights',
  'regression',
  'curriculum',
  'callbacks',
  'labelSmoothing',
  'horizonWeights',
  'evaluateEvery',
  'maxValidationWindows',
  'patience',
  'minDelta',
  'initial',
  'checkpoint',
  'checkpointEverySteps',
  'checkpointEverySeconds',
  'resume',
  'log',
  'tensorboard',
  'signal',
  'onProgress',
  'profile',
  'device',
  'clock',
];

/** Options with all defaults in place and all values checked. */
export interface ResolvedOptions {
  train: Windows;
  validation: Windows;
  seed: number;
  batch: number;
  steps: number;
  schedule: Schedule;
  optimizer: Optimizer;
  accumulate: number;
  precision: Precision;
  lossScale?: LossScaleOptions;
  recompute: boolean | number;
  augment: readonly Augmentation[];
  mixup: number;
  cutmix: number;
  classWeights?: 'balanced' | readonly (readonly number[])[];
  focalGamma: number;
  learnHorizonWeights: boolean;
  regression?: ResolvedRegression;
  curriculum?: Curriculum;
  labelSmoothing: number;
  horizonWeights: readonly number[];
  evaluateEvery: number;
  maxValidationWindows: number;
  patience: number;
  minDelta: number;
  initial?: ReadonlyMap<string, Float32Array>;
  checkpoint?: string;
  checkpointEverySteps: number;
  checkpointEverySeconds: number;
  resume: boolean;
  log?: string;
  tensorboard?: string;
  signal?: AbortSignal;
  callbacks: readonly TrainCallback[];
  onProgress?: (progress: TrainProgress) => void;
  profile: boolean;
  device: Device;
  clock: Clock;
}

/** @throws FlashbookError OPTION or DATA naming what is wrong. */
export function resolveOptions(options: TrainOptions): ResolvedOptions {
  checkOptions('train', options, OPTIONS);
  const { train, validation } = options;
  checkWindows('train', train);
  checkWindows('validation', validation);
  for (const name of ['steps', 'columns', 'horizons'] as const) {
    if (train[name] !== validation[name]) {
      throw new FlashbookError(
        'DATA',
        `expected train and validation windows with the same ${name} but received ${train[name]} and ${validation[name]}`,
        { name, train: train[name], validation: validation[name] },
      );
    }
  }
  if (options.resume && options.checkpoint === undefined) {
    throw new FlashbookError('OPTION', "'resume' needs 'checkpoint': the path of the file to go on from", {
      name: 'checkpoint',
    });
  }
  const seed = integer('seed', options.seed, 0);
  const batch = Math.min(integer('batch', options.batch ?? 64, 1), train.length);
  const accumulate = integer('accumulate', options.accumulate ?? 1, 1);
  const stepsPerEpoch = Math.max(1, Math.floor(train.length / batch / accumulate));
  if (options.steps !== undefined && options.epochs !== undefined) {
    throw new FlashbookError('OPTION', "expected 'steps' or 'epochs' but received both; leave one out", {
      name: 'steps',
    });
  }
  const steps =
    options.steps === undefined
      ? Math.max(1, Math.round(finite('epochs', options.epochs ?? 10, 0) * stepsPerEpoch))
      : integer('steps', options.steps, 1);

  return {
    train,
    validation,
    seed,
    batch,
    steps,
    schedule: options.schedule ?? defaultSchedule(options, steps),
    optimizer: clipped(
      options.optimizer ??
        adamW({
          weightDecay: finite('weightDecay', options.weightDecay ?? 0.01, 0),
          clipNorm: finite('clipNorm', options.clipNorm ?? 1, 0),
        }),
      options.clipValue,
    ),
    accumulate,
    precision: oneOf('precision', options.precision ?? 'f32', ['f32', 'bf16']),
    recompute:
      typeof options.recompute === 'number' ? integer('recompute', options.recompute, 1) : (options.recompute ?? false),
    lossScale: options.lossScale === true ? {} : options.lossScale || undefined,
    augment: options.augment ?? [],
    mixup: finite('mixup', options.mixup ?? 0, 0),
    cutmix: finite('cutmix', options.cutmix ?? 0, 0),
    classWeights: options.classWeights,
    focalGamma: finite('focalGamma', options.focalGamma ?? 0, 0),
    learnHorizonWeights: options.learnHorizonWeights ?? false,
    regression: resolved(options),
    curriculum: options.curriculum,
    labelSmoothing: finite('labelSmoothing', options.labelSmoothing ?? 0.1, 0, 1),
    horizonWeights: checkHorizonWeights(options.horizonWeights, train.horizons),
    evaluateEvery: integer(
      'evaluateEvery',
      options.evaluateEvery ?? Math.max(1, Math.min(stepsPerEpoch, Math.floor(steps / 10))),
      1,
    ),
    maxValidationWindows: integer('maxValidationWindows', options.maxValidationWindows ?? validation.length, 1),
    patience: options.patience ?? Number.POSITIVE_INFINITY,
    minDelta: options.minDelta ?? 0,
    initial: options.initial,
    checkpoint: options.checkpoint,
    checkpointEverySteps:
      options.checkpointEverySteps === undefined
        ? Number.POSITIVE_INFINITY
        : integer('checkpointEverySteps', options.checkpointEverySteps, 1),
    checkpointEverySeconds: finite('checkpointEverySeconds', options.checkpointEverySeconds ?? 30, 0),
    resume: options.resume ?? false,
    log: options.log,
    tensorboard: options.tensorboard,
    signal: options.signal,
    callbacks: options.callbacks ?? [],
    onProgress: options.onProgress,
    profile: options.profile ?? false,
    device: resolveDevice(options.device),
    clock: options.clock ?? systemClock,
  };
}

function defaultSchedule(options: TrainOptions, steps: number): Schedule {
  const learningRate = finite('learningRate', options.learningRate ?? 1e-3, 0);
  return warmupCosine({
    learningRate,
    warmupSteps: options.warmupSteps ?? Math.floor(steps / 20),
    totalSteps: steps,
    minLearningRate: options.minLearningRate ?? learningRate / 100,
  });
}

function resolved(options: TrainOptions): ResolvedRegression | undefined {
  const regression = resolveRegression(options.regression, { train: options.train });
  if (regression !== undefined && ((options.mixup ?? 0) > 0 || (options.cutmix ?? 0) > 0)) {
    throw invalid('regression', "no 'mixup' or 'cutmix' beside it, which mix classes alone", options.regression);
  }
  return regression;
}

function clipped(optimizer: Optimizer, limit: number | undefined): Optimizer {
  return limit === undefined ? optimizer : clippedByValue(optimizer, { limit });
}

function checkWindows(name: string, windows: Windows): void {
  if (typeof windows?.batch !== 'function') throw invalid(name, 'a data set of windows', windows);
  if (windows.length < 1) {
    throw new FlashbookError('DATA', `expected at least one window in ${name} but received none; give more rows`, {
      name,
    });
  }
}

/** The options that change batches or the loss, where they do: without them a configuration is as it was before they existed. */
function changed(options: ResolvedOptions): Configuration {
  const {
    accumulate,
    precision,
    augment,
    mixup,
    cutmix,
    classWeights,
    focalGamma,
    learnHorizonWeights,
    regression,
    curriculum,
    lossScale,
  } = options;
  return {
    ...(accumulate > 1 ? { accumulate } : {}),
    ...(precision === 'f32' ? {} : { precision }),
    ...(augment.length > 0 ? { augment: Object.fromEntries(augment.map(({ config }, i) => [String(i), config])) } : {}),
    ...(lossScale === undefined ? {} : { lossScale: new LossScaler(lossScale).config }),
    ...(mixup > 0 ? { mixup } : {}),
    ...(cutmix > 0 ? { cutmix } : {}),
    ...(classWeights === undefined ? {} : { classWeights }),
    ...(focalGamma > 0 ? { focalGamma } : {}),
    ...(learnHorizonWeights ? { learnHorizonWeights } : {}),
    ...(regression === undefined ? {} : { regression: regressionConfiguration(regression) }),
    ...(curriculum === undefined ? {} : { curriculum: curriculum.config }),
  };
}

/** Everything that the bits of the result depend on, but for the build of the native core. */
export function configurationOf(model: TrainableModel, options: ResolvedOptions): Configuration {
  const { train, validation, seed, batch, steps, schedule, optimizer, initial } = options;
  const { labelSmoothing, horizonWeights, evaluateEvery, maxValidationWindows, patience, minDelta } = options;
  return {
    model: { ...model.options } as Configuration,
    seed,
    batch,
    steps,
    schedule: schedule.config,
    optimizer: optimizer.config,
    labelSmoothing,
    horizonWeights,
    evaluateEvery,
    maxValidationWindows,
    patience: Number.isFinite(patience) ? patience : 'never',
    minDelta,
    ...changed(options),
    initial: initial === undefined ? 'from the seed' : digestOf(...initial.values()),
    train: { windows: train.length, digest: digestOf(...train.sources()) },
    validation: { windows: validation.length, digest: digestOf(...validation.sources()) },
  };
}
