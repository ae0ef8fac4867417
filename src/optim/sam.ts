import { checkOptions, finite } from '../core/options.js';
import { ascendList, compilePlan, Graph } from '../graph/index.js';
import { blendPlan, buffersOf, COPY } from './list-plans.js';
import { gradientName, type Optimizer } from './optimizer.js';

export interface SamOptions {
  /** Radius of the neighbourhood: 0.05 for SAM, about ten times as much for ASAM. */
  rho?: number;
  /** ASAM: the radius of each weight is in proportion to its size. */
  adaptive?: boolean;
  /** η of ASAM, added to |θ|. */
  eta?: number;
}

/**
 * Sharpness-aware minimisation: the inner optimiser descends from θ by the gradient at the worst point near by. Each step
 * computes the gradients twice, of the same batch with the same dropout.
 *
 *     ε = ρ · T² g / ‖T g‖,   T = 1 (SAM),  |θ| + η for weights and 1 for biases and norms (ASAM)
 *     g ← ∇L(θ + ε);   inner step from θ
 *
 * Sources: Foret et al. 2021, "Sharpness-Aware Minimization", algorithm 1 and eq. 2; Kwon et al. 2021, "ASAM", algorithm 1
 * and eq. 6, with the η of the authors' code. The norm is over all parameters together.
 */
export function sam(inner: Optimizer, options: SamOptions = {}): Optimizer {
  checkOptions('sam', options, ['rho', 'adaptive', 'eta']);
  const { adaptive = false } = options;
  const rho = finite('rho', options.rho ?? (adaptive ? 0.5 : 0.05), 0);
  const eta = finite('eta', options.eta ?? 0.01, 0);
  const origin = (name: string) => `sam.origin/${name}`;
  const current = (name: string) => name;
  return {
    config: { optimizer: adaptive ? 'asam' : 'sam', rho, ...(adaptive ? { eta } : {}), inner: inner.config },
    states: (parameters) => [...inner.states(parameters), ...buffersOf('sam.origin', parameters)],
    bind(device, state, parameters) {
      const bound = inner.bind(device, state, parameters);
      const keep = blendPlan(device, state, parameters, origin, current);
      const back = blendPlan(device, state, parameters, current, origin);
      const graph = new Graph();
      const scaled = graph.input('adaptive', [parameters.length]);
      const tensors = parameters.map(({ name, shape }) => [
        graph.state(name, shape),
        graph.state(gradientName(name), shape),
      ]);
      graph.output('norm', ascendList(tensors, scaled, { rho, eta }).norm);
      const ascent = device.createPlan(compilePlan(graph), state);
      const flags = Float32Array.from(parameters, ({ decay }) => (adaptive && decay ? 1 : 0));
      return {
        ...bound,
        plans: [keep, ascent, back, ...bound.plans],
        step(context) {
          const { runs, gradientNorm } = bound.step(context);
          const climb = [
            { plan: keep, inputs: [COPY] },
            { plan: ascent, inputs: [flags] },
          ];
          return { runs: [...climb, ...context.gradients(), { plan: back, inputs: [COPY] }, ...runs], gradientNorm };
        },
        dispose() {
          for (const plan of [keep, ascent, back]) plan.dispose();
          bound.dispose();
        },
      };
    },
  };
}
