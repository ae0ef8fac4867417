/** Optimisers and learning-rate schedules. */
export { type AdamOptions, type AdamWOptions, adam, adamW } from './adam.js';
export { type EmaOptions, ema, type SwaOptions, swa } from './averaging.js';
export { centralised, clippedByValue } from './gradients.js';
export { layerwiseRates, type ParameterGroup } from './groups.js';
export { type LambOptions, lamb } from './lamb.js';
export { type LookaheadOptions, lookahead } from './lookahead.js';
export {
  type BoundOptimizer,
  gradientName,
  type Optimizer,
  type OptimizerConfig,
  type OptimizerParameter,
  type StepContext,
  type StepReport,
} from './optimizer.js';
export { type SamOptions, sam } from './sam.js';
export { constant, type Schedule, type WarmupCosineOptions, warmupCosine } from './schedules.js';
export { type SgdOptions, sgd } from './sgd.js';
