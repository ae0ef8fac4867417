import { checkOptions, finite } from '../core/options.js';
import { updateLamb } from '../graph/index.js';
import { biasCorrections } from './adam.js';
import { checkGroups, type ParameterGroup } from './groups.js';
import type { Optimizer } from './optimizer.js';
import { ruleOptimizer } from './update-rule.js';

export interface LambOptions {
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** λ, for parameters with `decay`; part of the update whose size the trust ratio sets. */
  weightDecay?: number;
  /** Gradients are scaled down to this global norm where theirs is larger; 0 leaves them as they are. */
  clipNorm?: number;
  /** Whether parameters without weight decay are scaled by their trust ratio too: true as in the paper, false as in timm. */
  adaptAll?: boolean;
  /** Other rates or decays for some parameters. */
  groups?: readonly ParameterGroup[];
}

/**
 * LAMB, for large batches: Adam's direction, with a step as long as the parameter tensor itself, layer by layer:
 *
 *     g ← c · g;   m ← β1 m + (1 − β1) g,   v ← β2 v + (1 − β2) g²
 *     r = (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + ε) + λ θ
 *     θ ← θ − η · ‖θ‖/‖r‖ · r                                      (ratio 1 where either norm is 0)
 *
 * Source: You et al. 2020, "Large Batch Optimization for Deep Learning", algorithm 2 with φ(z) = z. NVIDIA's Apex clips the
 * gradients by their global norm first, as here; timm leaves parameters without decay at ratio 1, as `adaptAll: false` does.
 */
export function lamb(options: LambOptions = {}): Optimizer {
  checkOptions('lamb', options, ['beta1', 'beta2', 'epsilon', 'weightDecay', 'clipNorm', 'adaptAll', 'groups']);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-6, weightDecay = 0.01, clipNorm = 1 } = options;
  const { adaptAll = true, groups = [] } = options;
  finite('beta1', beta1, 0, 1 - Number.EPSILON);
  finite('beta2', beta2, 0, 1 - Number.EPSILON);
  finite('epsilon', epsilon, Number.MIN_VALUE);
  finite('weightDecay', weightDecay, 0);
  finite('clipNorm', clipNorm, 0);
  const correction = biasCorrections(beta1, beta2);
  return ruleOptimizer({
    config: { optimizer: 'lamb', beta1, beta2, epsilon, weightDecay, clipNorm, adaptAll },
    buffers: ['lamb.m', 'lamb.v'],
    weightDecay,
    clipNorm,
    groups: checkGroups(groups),
    update: updateLamb,
    hyper: (step, rate, decay) => [
      rate,
      beta1,
      beta2,
      epsilon,
      ...correction(step),
      decay,
      adaptAll || decay > 0 ? 1 : 0,
    ],
  });
}
