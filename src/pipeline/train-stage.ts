import { jitter, sliceWindow, warpMagnitude, warpTime } from '../data/index.js';
import type { ExportableModel } from '../export/index.js';
import { modelPreset } from '../models/index.js';
import type { TrainingMetrics, TrainingPoint } from '../monitor/run-metrics.js';
import {
  layerParts,
  layerwiseRates,
  type Optimizer,
  optimizerFrom,
  type ParameterGroup,
  SCHEDULES,
  type Schedule,
  scheduleFrom,
} from '../optim/index.js';
import {
  curriculumByCompetence,
  curriculumByMastery,
  type History,
  type TrainProgress,
  type TrainResult,
  train,
} from '../train/index.js';
import { MOST_FEATURES, type RunConfig } from './config.js';
import type { TrainedMembers } from './ensemble-stage.js';
import { type PreparedData, scaledWindows, trainingWindows } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, type RunFolder } from './run-folder.js';
import { modelDescription, runModel } from './run-model.js';

/** What training hands on to export, scores and the report. */
export interface TrainedModel {
  model: ExportableModel;
  parameters: ReadonlyMap<string, Float32Array>;
  /** For people: price predictor. */
  title: string;
  /** What it was built with, in words. */
  description: string;
  parameterCount: number;
  /** On the validation part: the loss, and the accuracy at each horizon. */
  validation: { loss: number; accuracy: number[] };
  training: TrainingMetrics;
  /** Of an ensemble: its parts, for their own scores. */
  ensemble?: TrainedMembers;
}

export interface TrainStageOptions {
  resume?: boolean;
  tensorboard?: string;
  signal?: AbortSignal;
  onProgress?: ProgressListener;
}

/** Trains the model on the training part, chooses the best weights on the validation part, keeps checkpoints in the folder. */
export async function trainStage(
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  options: TrainStageOptions,
): Promise<TrainedModel> {
  const { onProgress, signal, resume, tensorboard } = options;
  const scaled = data.scaler.transform(data.table.values);
  const model = runModel(config, data.table.columns);
  const progress = trainProgress('train', onProgress);
  const result = await train(model, {
    train: trainingWindows(data, scaled, config),
    validation: scaledWindows(data, scaled, 'validation', config.window),
    ...trainOptionsOf(config),
    checkpoint: folder.file(RUN_FILES.checkpoint),
    log: folder.file(RUN_FILES.log),
    ...{ tensorboard, resume, signal },
    onProgress: progress.update,
  });
  progress.finish(result);
  const best = result.history.evaluations.find(({ step }) => step === result.bestStep);
  return {
    model,
    parameters: result.parameters,
    title: modelPreset(config.model).title,
    description: modelDescription(model),
    parameterCount: model.parameterCount(),
    validation: { loss: result.bestLoss, accuracy: best?.horizons.map(({ accuracy }) => accuracy) ?? [] },
    training: trainingMetrics(result, config),
  };
}

/** Shows a training run as a stage. */
export function trainProgress(stage: string, onProgress?: ProgressListener) {
  let resumedFrom: number | undefined;
  return {
    update({ phase, step, total, loss, validationLoss }: TrainProgress) {
      resumedFrom ??= step <= 1 ? 0 : step - 1;
      const validation = Number.isNaN(validationLoss) ? '' : `, validation ${validationLoss.toFixed(4)}`;
      const detail = `loss ${loss.toFixed(4)}${validation}${phase === 'evaluate' ? ' (evaluating)' : ''}`;
      onProgress?.({ stage, done: step, total, unit: 'steps', resumedFrom, detail });
    },
    finish({ steps, bestStep, bestLoss }: Pick<TrainResult, 'steps' | 'bestStep' | 'bestLoss'>, what = 'kept') {
      const detail = `${what} step ${bestStep}, validation loss ${bestLoss.toFixed(4)}`;
      onProgress?.({ stage, done: steps, total: steps, unit: 'steps', detail, finished: true });
    },
  };
}

/** A training run as the report tells of it. */
export function trainingMetrics(
  { steps, seconds, bestStep, reason, history }: TrainResult,
  { batch, accumulate }: Pick<RunConfig, 'batch' | 'accumulate'>,
): TrainingMetrics {
  return {
    ...{ steps, batch, seconds, examples: steps * batch * accumulate, bestStep },
    stoppedEarly: reason === 'patience',
    history: trainingCurve(history),
  };
}

const CURRICULUM = {
  none: () => undefined,
  competence: ({ steps }: RunConfig) => curriculumByCompetence({ totalSteps: Math.ceil(steps / 2) }),
  mastery: () => curriculumByMastery(),
};

export const AUGMENTATION = { jitter, warpMagnitude, warpTime, sliceWindow };

/** What a configuration says of training: all options of `train` but the windows and where things are kept. */
export function trainOptionsOf(config: RunConfig) {
  return {
    seed: config.seed,
    batch: config.batch,
    steps: config.steps,
    schedule: scheduleOf(config),
    optimizer: optimizerOf(config),
    accumulate: config.accumulate,
    precision: config.precision,
    recompute: config.recompute === 0 ? false : config.recompute,
    augment: config.augment.map((name) => AUGMENTATION[name]()),
    mixup: config.mixup,
    cutmix: config.cutmix,
    focalGamma: config.focalGamma,
    classWeights: config.classWeights === 'none' ? undefined : config.classWeights,
    horizonWeights: config.horizonWeights,
    learnHorizonWeights: config.learnHorizonWeights,
    regression: config.regression !== 'none',
    curriculum: CURRICULUM[config.curriculum](config),
    labelSmoothing: config.labelSmoothing,
    evaluateEvery: config.evaluateEvery,
    maxValidationWindows: config.validationWindows,
    patience: config.patience,
  };
}

/** The optimiser of a run, with all that is put around it. */
export function optimizerOf(config: RunConfig): Optimizer {
  const { optimizer, weightDecay, clipNorm, clipValue, centralise, lookahead, sam, adaptiveSam, ema } = config;
  const sgd = optimizer === 'sgd' ? { momentum: config.momentum, nesterov: config.nesterov } : {};
  const swa = config.swa === 0 ? 0 : Math.max(1, Math.round(config.swa * config.steps));
  const around = { clipValue, centralise, lookahead, sam, adaptiveSam, ema, swa };
  const groups = config.layerwiseRate === 1 ? {} : { groups: layerGroups(config) };
  return optimizerFrom({ optimizer, weightDecay, clipNorm, ...sgd, ...groups, ...around });
}

/** Rates by layer; the names of parameters do not depend on the columns of the data. */
function layerGroups(config: RunConfig): ParameterGroup[] {
  const learned = runModel(config, MOST_FEATURES)
    .parameters()
    .filter(({ trainable }) => trainable);
  return layerwiseRates(layerParts(learned.map(({ name }) => name)), config.layerwiseRate);
}

/** The schedule of a run. */
export function scheduleOf(config: RunConfig): Schedule {
  const { schedule, learningRate, minLearningRate, warmupSteps, steps: totalSteps, cycles } = config;
  const all = {
    learningRate,
    minLearningRate,
    warmupSteps: schedule === 'inverseSqrt' ? Math.max(1, warmupSteps) : warmupSteps,
    totalSteps,
    cycles,
  };
  const taken = Object.entries(all).filter(([name]) => SCHEDULES[schedule].options.includes(name));
  return scheduleFrom({ schedule, ...Object.fromEntries(taken) });
}

/** The evaluations of a training run, as the report draws them. */
export function trainingCurve(history: History): TrainingPoint[] {
  const rates = new Map(history.steps.map(({ step, learningRate }) => [step, learningRate]));
  return history.evaluations.map(({ step, trainLoss, loss, horizons, experts }) => ({
    step,
    trainLoss,
    learningRate: rates.get(step) ?? Number.NaN,
    validationLoss: loss,
    validationAccuracy: horizons.map(({ accuracy }) => accuracy),
    ...(experts && { experts }),
  }));
}
