/** Schedules that start once and fall. Each is a pure function of the step. */
import { FlashbookError } from '../core/errors.js';
import { finite, integer } from '../core/options.js';
import type { Schedule } from './schedule.js';

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

export interface StepsOptions {
  learningRate: number;
  /** Steps between falls; or give `at`. */
  every?: number;
  /** The last steps before each fall, rising. */
  at?: readonly number[];
  /** What the rate is multiplied by. */
  factor?: number;
}

/**
 * Falls by steps: η(t) = η₀ γ^n with n falls before step t. With `every` = s: n = ⌊(t − 1)/s⌋; with `at`: the number of its steps
 * that are below t. As torch.optim.lr_scheduler.StepLR and MultiStepLR.
 */
export function steps({ learningRate, every, at, factor = 0.1 }: StepsOptions): Schedule {
  finite('learningRate', learningRate, 0);
  finite('factor', factor, 0);
  if ((every === undefined) === (at === undefined)) {
    throw new FlashbookError('OPTION', "expected 'every' or 'at' for the schedule steps", { name: 'every' });
  }
  if (every !== undefined) integer('every', every, 1);
  const falls =
    at === undefined ? undefined : [...at].map((step, i) => integer(`at[${i}]`, step, i === 0 ? 1 : at[i - 1] + 1));
  const count = (step: number) => falls?.filter((fall) => fall < step).length ?? Math.floor((step - 1) / every!);
  return {
    config: { schedule: 'steps', learningRate, factor, ...(falls === undefined ? { every: every! } : { at: falls }) },
    at: (step) => learningRate * factor ** count(step),
  };
}

export interface InverseSqrtOptions {
  /** The rate at the end of the warm-up. */
  learningRate: number;
  /** w. */
  warmupSteps: number;
}

/**
 * η(t) = η_max · min(t/w, √(w/t)): linear warm-up, then the inverse square root of the step. Source: Vaswani et al. 2017,
 * "Attention Is All You Need", eq. 3, with the highest rate given instead of 1/√(d_model · w).
 */
export function inverseSqrt({ learningRate, warmupSteps }: InverseSqrtOptions): Schedule {
  finite('learningRate', learningRate, 0);
  integer('warmupSteps', warmupSteps, 1);
  return {
    config: { schedule: 'inverseSqrt', learningRate, warmupSteps },
    at: (step) => learningRate * Math.min(step / warmupSteps, Math.sqrt(warmupSteps / step)),
  };
}

export interface OneCycleOptions {
  /** The highest rate. */
  learningRate: number;
  totalSteps: number;
  /** Share of the steps that the rate rises. */
  rise?: number;
  /** The first rate is the highest divided by this. */
  divide?: number;
  /** The last rate is the first divided by this. */
  finalDivide?: number;
}

/**
 * One cycle: half a cosine from η_max/divide up to η_max over the first `rise` of the steps, then half a cosine down to
 * η_max/(divide · finalDivide). Source: Smith & Topin 2019, "Super-Convergence", §3, in the form and with the defaults of
 * torch.optim.lr_scheduler.OneCycleLR: the first step has the first rate, the last step the last.
 */
export function oneCycle({
  learningRate,
  totalSteps,
  rise = 0.3,
  divide = 25,
  finalDivide = 1e4,
}: OneCycleOptions): Schedule {
  finite('learningRate', learningRate, 0);
  integer('totalSteps', totalSteps, 2);
  finite('rise', rise, 0, 1);
  finite('divide', divide, 1);
  finite('finalDivide', finalDivide, 1);
  const first = learningRate / divide;
  const last = first / finalDivide;
  // OneCycleLR counts from 0: the top is at rise · T − 1, the end at T − 1.
  const top = rise * totalSteps - 1;
  const between = (from: number, to: number, share: number) => to + 0.5 * (from - to) * (1 + Math.cos(Math.PI * share));
  return {
    config: { schedule: 'oneCycle', learningRate, totalSteps, rise, divide, finalDivide },
    at(step) {
      const t = Math.min(step, totalSteps) - 1;
      if (t <= top && top > 0) return between(first, learningRate, t / top);
      return between(learningRate, last, (t - top) / (totalSteps - 1 - top));
    },
  };
}
