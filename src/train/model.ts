import type { Tensor } from '../graph/index.js';
import type { ForwardOptions, Module } from '../nn/index.js';

/** What training needs of a model: the price predictor and every other classifier with one head a horizon. */
export interface TrainableModel extends Module {
  /** What it was built with: plain data, compared when a checkpoint is resumed. */
  readonly options: object;
  /**
   * Traces the model: x (B, T, F) → one tensor of logits (B, classes) a horizon. With `rng` u32 (4) = [seed low, seed high, step, 0]
   * it is traced for training (dropout on), else for evaluation.
   */
  forward(x: Tensor, options?: ForwardOptions): Tensor[];
}
