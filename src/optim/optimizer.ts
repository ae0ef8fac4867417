import type { Device, Plan, PlanRun, State } from '../native/index.js';
import type { StateSpec } from '../native/plan-spec.js';

/** What an optimiser must know of a parameter. */
export interface OptimizerParameter {
  name: string;
  shape: readonly number[];
  /** False for biases and normalisation parameters: no weight decay. */
  decay: boolean;
}

/** Plain data that tells one optimiser from another; compared when a checkpoint is resumed. */
export interface OptimizerConfig {
  readonly [name: string]: number | string | boolean | OptimizerConfig;
}

/** What an optimiser is told about the step it is to make. */
export interface StepContext {
  /** The step's number, the first being 1. */
  step: number;
  learningRate: number;
  /** Runs that compute the gradients of the same batch again, at the parameters as they are then (for SAM). */
  gradients(): PlanRun[];
}

/** What makes a step, for `Device.runSequence`. */
export interface StepRuns {
  runs: PlanRun[];
  /** (1): after the runs, the global L2 norm of all gradients before clipping. Where it is not finite, no parameter has changed. */
  gradientNorm: Float32Array;
}

/**
 * An optimiser: its own state buffers and an update rule. It reads gradients from the state buffers `grad/<name>` and
 * changes the parameters `<name>` in place. Wrappers (Lookahead, SAM, averaging) hold an inner optimiser, add their buffers to
 * its `states`, and put their own runs before and after those of the inner `step`.
 */
export interface Optimizer {
  readonly config: OptimizerConfig;
  /** Buffers beside parameters and gradients, all zero before the first step; a checkpoint keeps them. */
  states(parameters: readonly OptimizerParameter[]): StateSpec[];
  bind(device: Device, state: State, parameters: readonly OptimizerParameter[]): BoundOptimizer;
}

/** An optimiser whose plans are bound to the state of one training run. */
export interface BoundOptimizer {
  /** The runs that update the parameters from the gradients that are in the state. */
  step(context: StepContext): StepRuns;
  /** Its plans, for profiling. */
  readonly plans: readonly Plan[];
  /**
   * Where the optimiser averages weights: the state buffer that holds a parameter's average after `step` steps; undefined
   * while there is none. Evaluations and the result of training use it.
   */
  averageAfter?(step: number): ((parameter: string) => string) | undefined;
  dispose(): void;
}

/** Name of the state buffer that holds the gradient of a parameter. */
export function gradientName(parameter: string): string {
  return `grad/${parameter}`;
}
