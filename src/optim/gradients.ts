import { checkOptions, finite } from '../core/options.js';
import { centreList, clampList, compilePlan, Graph, type Tensor } from '../graph/index.js';
import { gradientName, type Optimizer, type OptimizerConfig } from './optimizer.js';

/**
 * Gradient centralisation: before the inner optimiser sees them, the gradients of weights with two axes or more lose their
 * mean over all axes but the first, one mean an output: g ← g − mean(g). Biases and normalisation parameters stay as they are.
 *
 * Source: Yong et al. 2020, "Gradient Centralization: A New Optimization Technique for Deep Neural Networks", eq. 1. The
 * published code centres after clipping, inside of the optimiser; here the inner optimiser clips by the norm of the centred
 * gradients.
 */
export function centralised(inner: Optimizer): Optimizer {
  return beforeStep(inner, { optimizer: 'centralised', inner: inner.config }, centreList);
}

/**
 * Clips every element of the gradients to ±limit before the inner optimiser sees them (and clips by norm, where it does).
 * Source: Mikolov 2012, thesis, §3.3, in the form of torch.nn.utils.clip_grad_value_.
 */
export function clippedByValue(inner: Optimizer, options: { limit: number }): Optimizer {
  checkOptions('clippedByValue', options, ['limit']);
  const limit = finite('limit', options.limit, Number.MIN_VALUE);
  return beforeStep(inner, { optimizer: 'clippedByValue', limit, inner: inner.config }, (gradients) =>
    clampList(gradients, limit),
  );
}

/** An optimiser that changes the gradients in place by one more plan before each inner step. */
function beforeStep(
  inner: Optimizer,
  config: OptimizerConfig,
  change: (gradients: readonly Tensor[]) => void,
): Optimizer {
  return {
    config,
    states: (parameters) => inner.states(parameters),
    bind(device, state, parameters) {
      const bound = inner.bind(device, state, parameters);
      const graph = new Graph();
      change(parameters.map(({ name, shape }) => graph.state(gradientName(name), shape)));
      const plan = device.createPlan(compilePlan(graph), state);
      return {
        ...bound,
        plans: [plan, ...bound.plans],
        step(context) {
          const change = { plan, inputs: [] };
          // Gradients that are computed again inside must be changed again.
          const again = () => [...context.gradients(), change];
          const { runs, gradientNorm } = bound.step({ ...context, gradients: again });
          return { runs: [change, ...runs], gradientNorm };
        },
        dispose() {
          plan.dispose();
          bound.dispose();
        },
      };
    },
  };
}
