/** Optimisers and learning-rate schedules. */
export { type AdamOptions, type AdamWOptions, adam, adamW } from './adam.js';
export { type EmaOptions, ema, type SwaOptions, swa } from './averaging.js';
export {
  type CosineRestartsOptions,
  cosineRestarts,
  type SnapshotCyclesOptions,
  snapshotCycles,
  swaTail,
  type TriangularOptions,
  triangular,
} from './cyclic-schedules.js';
export {
  constant,
  type InverseSqrtOptions,
  inverseSqrt,
  type OneCycleOptions,
  oneCycle,
  type StepsOptions,
  steps,
  type WarmupCosineOptions,
  warmupCosine,
} from './falling-schedules.js';
export { centralised, clippedByValue } from './gradients.js';
export { layerParts, layerwiseRates, type ParameterGroup } from './groups.js';
export { type LambOptions, lamb } from './lamb.js';
export { type LookaheadOptions, lookahead } from './lookahead.js';
export {
  type BoundOptimizer,
  gradientName,
  type Optimizer,
  type OptimizerConfig,
  type OptimizerParameter,
  type StepContext,
  type StepRuns,
} from './optimizer.js';
export { OPTIMIZERS, type OptimizerSettings, optimizerFrom } from './optimizer-by-name.js';
export { type ReduceOnPlateauOptions, reduceOnPlateau } from './plateau-schedule.js';
export { type SamOptions, sam } from './sam.js';
export type { Schedule, ScheduleRun, ScheduleValue } from './schedule.js';
export { SCHEDULES, type ScheduleSettings, scheduleAlias, scheduleFrom, scheduleName } from './schedule-by-name.js';
export { type SgdOptions, sgd } from './sgd.js';
