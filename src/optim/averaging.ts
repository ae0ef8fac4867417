import { checkOptions, finite, integer } from '../core/options.js';
import { blendPlan, buffersOf, COPY } from './list-plans.js';
import type { Optimizer, OptimizerConfig } from './optimizer.js';

export interface EmaOptions {
  /** d: how much of the average stays at a step. */
  decay?: number;
  /** Lets the average follow faster at first: d_t = min(d, (1 + t)/(10 + t)), as TensorFlow's ExponentialMovingAverage. */
  warmup?: boolean;
}

/**
 * An exponential moving average of the weights beside the inner optimiser; evaluations and the result use the average.
 *
 *     θ̄ ← d_t θ̄ + (1 − d_t) θ   after every step;  θ̄ begins as the initial weights
 *
 * Source: Polyak & Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging"; the exponential form as in Szegedy et
 * al. 2016, "Rethinking the Inception Architecture", §8.
 */
export function ema(inner: Optimizer, options: EmaOptions = {}): Optimizer {
  checkOptions('ema', options, ['decay', 'warmup']);
  const { warmup = true } = options;
  const decay = finite('decay of ema', options.decay ?? 0.999, 0, 1 - Number.EPSILON);
  return averaged(inner, { optimizer: 'ema', decay, warmup, inner: inner.config }, 'ema', {
    since: 1,
    initial: true,
    weights(step) {
      const d = warmup ? Math.min(decay, (1 + step) / (10 + step)) : decay;
      return [d, 1 - d];
    },
  });
}

export interface SwaOptions {
  /** The first step whose weights are averaged: about three quarters of a run. */
  start: number;
  /** Steps between weights that are averaged, such as the length of a cycle of the learning rate. */
  every?: number;
}

/**
 * Stochastic weight averaging: the plain mean of the weights after steps start, start + every, …; evaluations and the result
 * use the mean once there is one. Let the learning rate be constant or cyclic from `start` on (schedule `swaTail`).
 *
 *     θ̄ ← (n θ̄ + θ)/(n + 1)   for the (n + 1)-th weights
 *
 * Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization", algorithm 1.
 */
export function swa(inner: Optimizer, options: SwaOptions): Optimizer {
  checkOptions('swa', options, ['start', 'every']);
  const start = integer('start of swa', options.start, 1);
  const every = integer('every of swa', options.every ?? 1, 1);
  return averaged(inner, { optimizer: 'swa', start, every, inner: inner.config }, 'swa', {
    since: start,
    initial: false,
    weights(step) {
      if (step < start || (step - start) % every !== 0) return undefined;
      const n = (step - start) / every;
      return [n / (n + 1), 1 / (n + 1)];
    },
  });
}

interface Averaging {
  /** The first step after which there is an average. */
  since: number;
  /** Whether the average begins as the initial weights. */
  initial: boolean;
  /** Weights of the average and of the new parameters after a step; undefined where the step does not count. */
  weights(step: number): [number, number] | undefined;
}

function averaged(inner: Optimizer, config: OptimizerConfig, prefix: string, averaging: Averaging): Optimizer {
  const average = (name: string) => `${prefix}/${name}`;
  return {
    config,
    states: (parameters) => [...inner.states(parameters), ...buffersOf(prefix, parameters)],
    bind(device, state, parameters) {
      const bound = inner.bind(device, state, parameters);
      const blend = blendPlan(device, state, parameters, average, (name) => name);
      return {
        ...bound,
        plans: [...bound.plans, blend],
        step(context) {
          const { runs, gradientNorm } = bound.step(context);
          const begin = context.step === 1 && averaging.initial ? [{ plan: blend, inputs: [COPY] }] : [];
          const weights = averaging.weights(context.step);
          const average = weights === undefined ? [] : [{ plan: blend, inputs: [Float32Array.from(weights)] }];
          return { runs: [...begin, ...runs, ...average], gradientNorm };
        },
        averageAfter: (step) => (step >= averaging.since ? average : undefined),
        dispose() {
          blend.dispose();
          bound.dispose();
        },
      };
    },
  };
}
