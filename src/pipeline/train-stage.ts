import { jitter, sliceWindow, warpMagnitude, warpTime } from '../data/index.js';
import type { ForecastModel, PricePredictor } from '../models/index.js';
import type { TrainingPoint } from '../monitor/run-metrics.js';
import { type Optimizer, optimizerFrom, SCHEDULES, type Schedule, scheduleFrom } from '../optim/index.js';
import { curriculumByCompetence, curriculumByMastery, type History, type TrainResult, train } from '../train/index.js';
import type { RunConfig } from './config.js';
import { type PreparedData, scaledWindows, trainingWindows } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, type RunFolder } from './run-folder.js';

/** Trains the model on the training part, chooses the best weights on the validation part, keeps checkpoints in the folder. */
export async function trainStage(
  model: ForecastModel | PricePredictor,
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  options: { resume?: boolean; tensorboard?: string; signal?: AbortSignal; onProgress?: ProgressListener },
): Promise<TrainResult> {
  const { onProgress, signal, resume } = options;
  const scaled = data.scaler.transform(data.table.values);
  let resumedFrom: number | undefined;
  const result = await train(model, {
    train: trainingWindows(data, scaled, config),
    validation: scaledWindows(data, scaled, 'validation', config.window),
    ...trainOptionsOf(config),
    checkpoint: folder.file(RUN_FILES.checkpoint),
    log: folder.file(RUN_FILES.log),
    tensorboard: options.tensorboard,
    resume,
    signal,
    onProgress: ({ phase, step, total, loss, validationLoss }) => {
      resumedFrom ??= step <= 1 ? 0 : step - 1;
      const validation = Number.isNaN(validationLoss) ? '' : `, validation ${validationLoss.toFixed(4)}`;
      const detail = `loss ${loss.toFixed(4)}${validation}${phase === 'evaluate' ? ' (evaluating)' : ''}`;
      onProgress?.({ stage: 'train', done: step, total, unit: 'steps', resumedFrom, detail });
    },
  });
  onProgress?.({
    stage: 'train',
    done: result.steps,
    total: result.steps,
    unit: 'steps',
    detail: `kept step ${result.bestStep}, validation loss ${result.bestLoss.toFixed(4)}`,
    finished: true,
  });
  return result;
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
  return optimizerFrom({ optimizer, weightDecay, clipNorm, ...sgd, ...around });
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
  return history.evaluations.map(({ step, trainLoss, loss, horizons }) => ({
    step,
    trainLoss,
    learningRate: rates.get(step) ?? Number.NaN,
    validationLoss: loss,
    validationAccuracy: horizons.map(({ accuracy }) => accuracy),
  }));
}
