import { checkOptions, finite, integer } from '../core/options.js';
import { blendPlan, buffersOf, COPY } from './list-plans.js';
import type { Optimizer } from './optimizer.js';

export interface LookaheadOptions {
  /** Steps of the inner optimiser between synchronisations. */
  steps?: number;
  /** α: how far the slow weights follow. */
  alpha?: number;
}

/**
 * Lookahead: the inner optimiser explores with fast weights θ; every k steps the slow weights φ follow, and θ starts again
 * from them. φ begins as the initial weights.
 *
 *     at every k-th step:   φ ← φ + α (θ − φ),   θ ← φ
 *
 * The inner moments are kept, as in the paper's experiments. Source: Zhang et al. 2019, "Lookahead Optimizer: k steps forward,
 * 1 step back", algorithm 1.
 */
export function lookahead(inner: Optimizer, options: LookaheadOptions = {}): Optimizer {
  checkOptions('lookahead', options, ['steps', 'alpha']);
  const steps = integer('steps of lookahead', options.steps ?? 5, 1);
  const alpha = finite('alpha of lookahead', options.alpha ?? 0.5, 0, 1);
  const slow = (name: string) => `lookahead.slow/${name}`;
  const fast = (name: string) => name;
  return {
    config: { optimizer: 'lookahead', steps, alpha, inner: inner.config },
    states: (parameters) => [...inner.states(parameters), ...buffersOf('lookahead.slow', parameters)],
    bind(device, state, parameters) {
      const bound = inner.bind(device, state, parameters);
      const follow = blendPlan(device, state, parameters, slow, fast);
      const restart = blendPlan(device, state, parameters, fast, slow);
      const weights = Float32Array.of(1 - alpha, alpha);
      return {
        ...bound,
        plans: [...bound.plans, follow, restart],
        step(context) {
          const { runs, gradientNorm } = bound.step(context);
          const begin = context.step === 1 ? [{ plan: follow, inputs: [COPY] }] : [];
          const synchronise = [
            { plan: follow, inputs: [weights] },
            { plan: restart, inputs: [COPY] },
          ];
          return { runs: [...begin, ...runs, ...(context.step % steps === 0 ? synchronise : [])], gradientNorm };
        },
        dispose() {
          follow.dispose();
          restart.dispose();
          bound.dispose();
        },
      };
    },
  };
}
