import { checkOptions, finite } from '../core/options.js';
import { updateAdam } from '../graph/index.js';
import { checkGroups, type ParameterGroup } from './groups.js';
import type { Optimizer } from './optimizer.js';
import { ruleOptimizer } from './update-rule.js';

export interface AdamOptions {
  beta1?: number;
  beta2?: number;
  /** Added to the denominator after the square root. */
  epsilon?: number;
  /** λ, for parameters with `decay`; biases and normalisation parameters have none. */
  weightDecay?: number;
  /** Gradients are scaled down to this global norm where theirs is larger; 0 leaves them as they are. */
  clipNorm?: number;
  /** Other rates or decays for some parameters. */
  groups?: readonly ParameterGroup[];
}

export type AdamWOptions = AdamOptions;

const OPTIONS = ['beta1', 'beta2', 'epsilon', 'weightDecay', 'clipNorm', 'groups'];

/**
 * AdamW with global-norm clipping, for step t = 1, 2, …, learning rate η, and c = min(1, clipNorm / (‖g‖ + 1e-6)) over all
 * gradients together:
 *
 *     g ← c · g
 *     θ ← θ − η λ θ
 *     m ← β1 m + (1 − β1) g,   v ← β2 v + (1 − β2) g²
 *     θ ← θ − η · (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + ε)
 *
 * Sources: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2, in the form of
 * torch.optim.AdamW; clipping from Pascanu et al. 2013, "On the difficulty of training RNNs", algorithm 1, in the form of
 * torch.nn.utils.clip_grad_norm_.
 */
export function adamW(options: AdamWOptions = {}): Optimizer {
  return adamOptimizer('adamW', 'adamw', { weightDecay: 0.01, ...options });
}

/**
 * Adam: as `adamW`, but λ θ is added to the gradient (after clipping) and so goes through both moments:
 *
 *     g ← c · g + λ θ;   m, v as above;   θ ← θ − η · (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + ε)
 *
 * Source: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1, in the form of torch.optim.Adam.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return adamOptimizer('adam', 'adam', options);
}

function adamOptimizer(maker: string, optimizer: 'adam' | 'adamw', options: AdamOptions): Optimizer {
  checkOptions(maker, options, OPTIONS);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, clipNorm = 1, groups = [] } = options;
  finite('beta1', beta1, 0, 1 - Number.EPSILON);
  finite('beta2', beta2, 0, 1 - Number.EPSILON);
  finite('epsilon', epsilon, Number.MIN_VALUE);
  finite('weightDecay', weightDecay, 0);
  finite('clipNorm', clipNorm, 0);
  const correction = biasCorrections(beta1, beta2);
  return ruleOptimizer({
    config: { optimizer, beta1, beta2, epsilon, weightDecay, clipNorm },
    buffers: [`${optimizer}.m`, `${optimizer}.v`],
    weightDecay,
    clipNorm,
    groups: checkGroups(groups),
    update: updateAdam,
    hyper: (step, rate, decay) => [
      rate,
      beta1,
      beta2,
      epsilon,
      ...correction(step),
      ...(optimizer === 'adamw' ? [decay, 0] : [0, decay]),
    ],
  });
}

/**
 * 1 − β1^t and 1 − β2^t. The kernel sees β in float32 and forms 1 − β from it, which is exact. The corrections take the
 * same β: with that of float64, v / (1 − β2^t) would be wrong by 1e-5 at β2 = 0.999.
 */
export function biasCorrections(beta1: number, beta2: number): (step: number) => [number, number] {
  const [b1, b2] = [Math.fround(beta1), Math.fround(beta2)];
  return (step) => [1 - b1 ** step, 1 - b2 ** step];
}
