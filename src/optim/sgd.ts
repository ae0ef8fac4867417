import { checkOptions, finite } from '../core/options.js';
import { updateSgd } from '../graph/index.js';
import { checkGroups, type ParameterGroup } from './groups.js';
import type { Optimizer } from './optimizer.js';
import { ruleOptimizer } from './update-rule.js';

export interface SgdOptions {
  /** μ; 0 is plain gradient descent. */
  momentum?: number;
  /** Nesterov's form: the gradient as if the next momentum step were already made. */
  nesterov?: boolean;
  /** λ, added to the gradient of parameters with `decay`. */
  weightDecay?: number;
  /** Gradients are scaled down to this global norm where theirs is larger; 0 leaves them as they are. */
  clipNorm?: number;
  /** Other rates or decays for some parameters. */
  groups?: readonly ParameterGroup[];
}

/**
 * Stochastic gradient descent with momentum:
 *
 *     g ← c · g + λ θ;   b ← μ b + g;   θ ← θ − η b                (Nesterov: θ ← θ − η (g + μ b))
 *
 * Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", in the form of
 * torch.optim.SGD with dampening 0: the rate multiplies the momentum too, where the paper has v ← μ v − η g.
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  checkOptions('sgd', options, ['momentum', 'nesterov', 'weightDecay', 'clipNorm', 'groups']);
  const { momentum = 0.9, nesterov = false, weightDecay = 0, clipNorm = 1, groups = [] } = options;
  finite('momentum', momentum, 0, 1 - Number.EPSILON);
  finite('weightDecay', weightDecay, 0);
  finite('clipNorm', clipNorm, 0);
  return ruleOptimizer({
    config: { optimizer: 'sgd', momentum, nesterov, weightDecay, clipNorm },
    buffers: ['sgd.b'],
    weightDecay,
    clipNorm,
    groups: checkGroups(groups),
    update: updateSgd,
    hyper: (_, rate, decay) => [rate, momentum, nesterov ? 1 : 0, decay],
  });
}
