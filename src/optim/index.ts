/** Optimisers and learning-rate schedules. */
export { type AdamWOptions, adamW } from './adamw.js';
export {
  type BoundOptimizer,
  gradientName,
  type Optimizer,
  type OptimizerConfig,
  type OptimizerParameter,
  type StepContext,
  type StepReport,
} from './optimizer.js';
export { constant, type Schedule, type WarmupCosineOptions, warmupCosine } from './schedules.js';
