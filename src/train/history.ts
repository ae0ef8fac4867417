import type { ExpertUsage } from '../models/index.js';

/** One optimiser step. */
export interface StepRecord {
  /** The first step is 1. */
  step: number;
  /** The first epoch is 0. */
  epoch: number;
  /** Weighted sum of the horizons' losses, with label smoothing, on the step's batch before its update. */
  loss: number;
  /** The fraction of labelled rows of the batch that are predicted right, one a horizon; null where none is labelled. */
  accuracy: (number | null)[];
  learningRate: number;
  /** Global norm of all gradients before clipping. */
  gradientNorm: number;
  /** The factor of the loss, where it is scaled. */
  lossScale?: number;
  /** The gradients overflowed: the step made no update. */
  skipped?: true;
}

/** One horizon of an evaluation. */
export interface HorizonEvaluation {
  /** Mean cross-entropy in nats, with the label smoothing of training. */
  loss: number;
  /** Fraction of labelled rows that are predicted right. */
  accuracy: number;
  /** Labelled rows. */
  rows: number;
}

/** One pass over the validation rows. */
export interface EvaluationRecord {
  step: number;
  epoch: number;
  /** Weighted sum of the horizons' losses: the metric of early stopping. */
  loss: number;
  horizons: HorizonEvaluation[];
  /** Mean of the steps' losses since the evaluation before. */
  trainLoss: number;
  /** Whether it was the best until then. */
  best: boolean;
  /** Of a model with mixtures of experts, how they were used on some of the validation windows. */
  experts?: ExpertUsage[];
}

/** What happened in a run. No clock values: the same run has the same history. */
export interface History {
  steps: StepRecord[];
  evaluations: EvaluationRecord[];
}

/** Mean of the losses of the steps after `step`; NaN when there are none. */
export function meanLossSince(history: History, step: number): number {
  let sum = 0;
  let count = 0;
  for (let i = history.steps.length - 1; i >= 0 && history.steps[i].step > step; i--) {
    sum += history.steps[i].loss;
    count++;
  }
  return sum / count;
}
