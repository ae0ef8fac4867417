/** Training: one call from windows to the best weights, with checkpoints that resume to the same bits. */

export { balancedClassWeights } from './batch-changes.js';
export type { TrainCallback } from './callbacks.js';
export {
  type Checkpoint,
  type CheckpointTensor,
  decodeCheckpoint,
  encodeCheckpoint,
  readCheckpoint,
} from './checkpoint.js';
export {
  type Curriculum,
  type CurriculumRun,
  curriculumByCompetence,
  curriculumByMastery,
  curriculumBySteps,
} from './curriculum.js';
export { EarlyStopping } from './early-stopping.js';
export { mixtureWeights } from './ensemble-weights.js';
export {
  type CycleEnsemble,
  type CycleOptions,
  ENSEMBLE_WEIGHTINGS,
  type EnsembleMember,
  type EnsembleOptions,
  type EnsembleWeighting,
  type GeometricOptions,
  type JoinOptions,
  type SnapshotOptions,
  type TrainedEnsemble,
  trainEnsemble,
  trainGeometric,
  trainSnapshots,
} from './ensembles.js';
export { type EvaluateOptions, type Evaluation, evaluate, evaluateLogits } from './evaluate.js';
export type { EvaluationRecord, History, HorizonEvaluation, StepRecord } from './history.js';
export {
  type FindLearningRateOptions,
  findLearningRate,
  type LearningRateSweep,
} from './learning-rate-finder.js';
export { type LossScaleOptions, LossScaler, type LossScalerState } from './loss-scaler.js';
export { checkHorizonWeights, type HorizonLossOptions, horizonLoss } from './losses.js';
export type { TrainableModel } from './model.js';
export type { TrainOptions } from './options.js';
export { type BatchShape, evaluationGraph, type GradientOptions, gradientGraph, type ModelGraph } from './plans.js';
export { type PredictedReturns, type PredictWindowsOptions, predictLogits, predictReturns } from './predict-logits.js';
export type { TrainProgress } from './progress.js';
export { type ProgressiveResult, type Stage, trainProgressively } from './progressive.js';
export type { RegressionOptions } from './regression.js';
export type { RunLogLine } from './run-log.js';
export { StepCall, type StepInputs, type StepPlans, type StepResult } from './step-call.js';
export { type TrainResult, train } from './trainer.js';
export { BatchOrder, evenlySpaced, type Windows } from './windows.js';
