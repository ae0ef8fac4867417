import { checkOptions, finite } from '../core/options.js';
import { adamw as adamwUpdate, clipCoefficient, compilePlan, Graph, sumSquares, type Tensor } from '../graph/index.js';
import type { Device, State } from '../native/index.js';
import type { StateSpec } from '../native/plan-spec.js';
import { type BoundOptimizer, gradientName, type Optimizer, type OptimizerParameter } from './optimizer.js';

export interface AdamWOptions {
  beta1?: number;
  beta2?: number;
  /** Added to the denominator after the square root. */
  epsilon?: number;
  /** λ, for parameters with `decay`; biases and normalisation parameters have none. */
  weightDecay?: number;
  /** Gradients are scaled down to this global norm where theirs is larger; 0 leaves them as they are. */
  clipNorm?: number;
}

const OPTIONS = ['beta1', 'beta2', 'epsilon', 'weightDecay', 'clipNorm'];

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
  checkOptions('adamW', options, OPTIONS);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01, clipNorm = 1 } = options;
  finite('beta1', beta1, 0, 1 - Number.EPSILON);
  finite('beta2', beta2, 0, 1 - Number.EPSILON);
  finite('epsilon', epsilon, Number.MIN_VALUE);
  finite('weightDecay', weightDecay, 0);
  finite('clipNorm', clipNorm, 0);

  return {
    config: { optimizer: 'adamw', beta1, beta2, epsilon, weightDecay, clipNorm },

    states(parameters) {
      return parameters.flatMap(({ name, shape }) => [
        { name: firstMoment(name), dtype: 'f32', shape: [...shape] },
        { name: secondMoment(name), dtype: 'f32', shape: [...shape] },
      ]) as StateSpec[];
    },

    bind(device: Device, state: State, parameters: readonly OptimizerParameter[]): BoundOptimizer {
      const plan = device.createPlan(compilePlan(updateGraph(parameters, { weightDecay, clipNorm })), state);
      const hyper = new Float32Array(8);
      // The kernel sees β in float32 and forms 1 − β from it, which is exact. The corrections take the same β: with that of
      // float64, v / (1 − β2^t) would be wrong by 1e-5 at β2 = 0.999.
      const [b1, b2] = [Math.fround(beta1), Math.fround(beta2)];
      const norm = new Float32Array(1);
      return {
        plans: [plan],
        async step({ step, learningRate }) {
          hyper.set([learningRate, b1, b2, epsilon, 1 - b1 ** step, 1 - b2 ** step]);
          await plan.run([hyper], [norm]);
          return { gradientNorm: norm[0] };
        },
        dispose: () => plan.dispose(),
      };
    },
  };
}

/** State buffer of the running mean of a parameter's gradient. */
export function firstMoment(parameter: string): string {
  return `adamw.m/${parameter}`;
}

/** State buffer of the running mean of its square. */
export function secondMoment(parameter: string): string {
  return `adamw.v/${parameter}`;
}

/**
 * The update as a graph: input `hyper` f32 (8) = [η, β1, β2, ε, 1 − β1^t, 1 − β2^t, 0, 0], output `norm` (1); parameters and
 * moments change in place.
 */
export function updateGraph(
  parameters: readonly OptimizerParameter[],
  { weightDecay, clipNorm }: { weightDecay: number; clipNorm: number },
): Graph {
  const graph = new Graph();
  const hyper = graph.input('hyper', [8]);
  const gradients = parameters.map(({ name, shape }) => graph.state(gradientName(name), shape));
  const squares: Tensor[] = gradients.map((gradient) => sumSquares(gradient));
  const { coefficient, norm } = clipCoefficient(squares, clipNorm);
  for (const [i, { name, shape, decay }] of parameters.entries()) {
    adamwUpdate(
      {
        param: graph.state(name, shape),
        grad: gradients[i],
        m: graph.state(firstMoment(name), shape),
        v: graph.state(secondMoment(name), shape),
        hyper,
        coefficient,
      },
      { weightDecay: decay ? weightDecay : 0 },
    );
  }
  graph.output('norm', norm);
  return graph;
}
