import { clipNorm as clipNormOf, compilePlan, Graph, type Tensor } from '../graph/index.js';
import type { Device, State } from '../native/index.js';
import type { StateSpec } from '../native/plan-spec.js';
import { groupsConfig, type ParameterGroup, settingsOf } from './groups.js';
import {
  type BoundOptimizer,
  gradientName,
  type Optimizer,
  type OptimizerConfig,
  type OptimizerParameter,
} from './optimizer.js';

/** Numbers that an update reads for one parameter at every step. */
export const HYPER = 8;

/** An update of parameters from gradients that one operation makes for all of them. */
export interface UpdateRule {
  config: OptimizerConfig;
  /** The rule's buffers of each parameter, such as adam.m: the state of parameter w is adam.m/w. */
  buffers: readonly string[];
  weightDecay: number;
  /** Gradients are scaled down to this global norm where theirs is larger; 0 leaves them as they are. */
  clipNorm: number;
  groups: readonly ParameterGroup[];
  /** Adds the operation: [param, grad, …buffers] of each parameter, hyper (n, 8), coefficient (1). */
  update(tensors: readonly (readonly Tensor[])[], hyper: Tensor, coefficient: Tensor): void;
  /** Up to eight numbers for a parameter's row of hyper. */
  hyper(step: number, learningRate: number, weightDecay: number): readonly number[];
}

/** The optimiser of a rule: one plan of two steps, whatever the number of parameters. */
export function ruleOptimizer(rule: UpdateRule): Optimizer {
  return {
    config: { ...rule.config, ...groupsConfig(rule.groups) },

    states: (parameters) =>
      parameters.flatMap(({ name, shape }) =>
        rule.buffers.map((buffer): StateSpec => ({ name: `${buffer}/${name}`, dtype: 'f32', shape: [...shape] })),
      ),

    bind(device: Device, state: State, parameters: readonly OptimizerParameter[]): BoundOptimizer {
      const settings = settingsOf(parameters, rule.groups, rule.weightDecay);
      const plan = device.createPlan(compilePlan(updateGraph(rule, parameters)), state);
      const hyper = new Float32Array(HYPER * parameters.length);
      const norm = new Float32Array(1);
      return {
        plans: [plan],
        step({ step, learningRate }) {
          for (const [i, { rate, weightDecay }] of settings.entries()) {
            hyper.set(rule.hyper(step, learningRate * rate, weightDecay), HYPER * i);
          }
          return { runs: [{ plan, inputs: [hyper], outputs: [norm], finite: [0] }], gradientNorm: norm };
        },
        dispose: () => plan.dispose(),
      };
    },
  };
}

/** The update as a graph: input hyper (n, 8), output norm (1); parameters and buffers change in place. */
function updateGraph({ buffers, clipNorm, update }: UpdateRule, parameters: readonly OptimizerParameter[]): Graph {
  const graph = new Graph();
  const hyper = graph.input('hyper', [parameters.length, HYPER]);
  const gradients = parameters.map(({ name, shape }) => graph.state(gradientName(name), shape));
  const { coefficient, norm } = clipNormOf(gradients, clipNorm);
  const tensors = parameters.map(({ name, shape }, i) => [
    graph.state(name, shape),
    gradients[i],
    ...buffers.map((buffer) => graph.state(`${buffer}/${name}`, shape)),
  ]);
  update(tensors, hyper, coefficient);
  graph.output('norm', norm);
  return graph;
}
