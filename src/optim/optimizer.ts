import type { Device, Plan, State } from '../native/index.js';
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
  /** Computes the gradients of the same batch again, at the parameters as they are now (for SAM). */
  gradients(): Promise<void>;
}

export interface StepReport {
  /** Global L2 norm of all gradients before clipping. */
  gradientNorm: number;
}

/**
 * An optimiser: its own state buffers and an update rule. It reads gradients from the state buffers `grad/<name>` and
 * changes the parameters `<name>` in place. Wrappers (Lookahead, SAM, averaging) hold an inner optimiser, add their buffers to
 * its `states`, and call the inner `step` between their own plans.
 */
export interface Optimizer {
  readonly config: OptimizerConfig;
  /** Buffers beside parameters and gradients, all zero before the first step; a checkpoint keeps them. */
  states(parameters: readonly OptimizerParameter[]): StateSpec[];
  bind(device: Device, state: State, parameters: readonly OptimizerParameter[]): BoundOptimizer;
}

/** An optimiser whose plans are bound to the state of one training run. */
export interface BoundOptimizer {
  /** Updates the parameters from the gradients that are in the state. */
  step(context: StepContext): Promise<StepReport>;
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
