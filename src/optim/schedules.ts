import { finite, integer } from '../core/options.js';

/**
 * A learning rate for every step. Pure functions of the step counter: nothing to save, so a resumed run continues the
 * same curve.
 */
export interface Schedule {
  /** Name and numbers; compared when a checkpoint is resumed. */
  readonly config: Readonly<Record<string, number | string>>;
  /** The learning rate of step `step`, the first being 1. */
  at(step: number): number;
}

/** The same rate for every step. */
export function constant(learningRate: number): Schedule {
  finite('learningRate', learningRate, 0);
  return { config: { schedule: 'constant', learningRate }, at: () => learningRate };
}

export interface WarmupCosineOptions {
  /** The highest rate η_max, reached at step `warmupSteps`. */
  learningRate: number;
  /** Steps of linear warm-up; 0 starts at the highest rate. */
  warmupSteps?: number;
  /** Steps of the whole schedule; the last of them, and any after it, has `minLearningRate`. */
  totalSteps: number;
  /** The lowest rate η_min. */
  minLearningRate?: number;
}

/**
 * Linear warm-up, then half a cosine, with w = warmupSteps, T = totalSteps and t = 1 … T:
 *
 *     η(t) = η_max · t / w                                                    for t ≤ w
 *     η(t) = η_min + ½ (η_max − η_min) (1 + cos(π (t − w) / (T − w)))          for t > w
 *
 * Sources: warm-up from Goyal et al. 2017, "Accurate, Large Minibatch SGD", §2.2; cosine from Loshchilov & Hutter
 * 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", eq. 5, without restarts.
 */
export function warmupCosine({
  learningRate,
  warmupSteps = 0,
  totalSteps,
  minLearningRate = 0,
}: WarmupCosineOptions): Schedule {
  finite('learningRate', learningRate, 0);
  integer('totalSteps', totalSteps, 1);
  integer('warmupSteps', warmupSteps, 0, totalSteps);
  finite('minLearningRate', minLearningRate, 0, learningRate);
  return {
    config: { schedule: 'warmupCosine', learningRate, warmupSteps, totalSteps, minLearningRate },
    at(step) {
      if (step <= warmupSteps && warmupSteps > 0) return (learningRate * step) / warmupSteps;
      const done = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
      return minLearningRate + 0.5 * (learningRate - minLearningRate) * (1 + Math.cos(Math.PI * done));
    },
  };
}
