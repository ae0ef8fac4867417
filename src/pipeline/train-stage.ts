import type { PricePredictor } from '../models/index.js';
import type { TrainingPoint } from '../monitor/run-metrics.js';
import { type History, type TrainResult, train } from '../train/index.js';
import type { RunConfig } from './config.js';
import { type PreparedData, scaledWindows } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, type RunFolder } from './run-folder.js';

/** Trains the model on the training part, chooses the best weights on the validation part, keeps checkpoints in the folder. */
export async function trainStage(
  model: PricePredictor,
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  options: { resume?: boolean; signal?: AbortSignal; onProgress?: ProgressListener },
): Promise<TrainResult> {
  const { onProgress, signal, resume } = options;
  const scaled = data.scaler.transform(data.table.values);
  let resumedFrom: number | undefined;
  const result = await train(model, {
    train: scaledWindows(data, scaled, 'train', config.window),
    validation: scaledWindows(data, scaled, 'validation', config.window),
    seed: config.seed,
    batch: config.batch,
    steps: config.steps,
    learningRate: config.learningRate,
    minLearningRate: config.minLearningRate,
    warmupSteps: config.warmupSteps,
    weightDecay: config.weightDecay,
    clipNorm: config.clipNorm,
    labelSmoothing: config.labelSmoothing,
    evaluateEvery: config.evaluateEvery,
    maxValidationWindows: config.validationWindows,
    patience: config.patience,
    checkpoint: folder.file(RUN_FILES.checkpoint),
    log: folder.file(RUN_FILES.log),
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
