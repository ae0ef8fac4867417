/** Small plans over all parameters, for wrappers. */
import { blendList, compilePlan, Graph } from '../graph/index.js';
import type { Device, Plan, State } from '../native/index.js';
import type { StateSpec } from '../native/plan-spec.js';
import type { OptimizerParameter } from './optimizer.js';

/** Declares the buffer `<prefix>/<name>` of each parameter. */
export function buffersOf(prefix: string, parameters: readonly OptimizerParameter[]): StateSpec[] {
  return parameters.map(({ name, shape }) => ({ name: `${prefix}/${name}`, dtype: 'f32', shape: [...shape] }));
}

/** A plan with input weights (2): to(w) = weights[0]·to(w) + weights[1]·from(w) for every parameter w. */
export function blendPlan(
  device: Device,
  state: State,
  parameters: readonly OptimizerParameter[],
  to: (parameter: string) => string,
  from: (parameter: string) => string,
): Plan {
  const graph = new Graph();
  const weights = graph.input('weights', [2]);
  blendList(
    parameters.map(({ name, shape }) => [graph.state(to(name), shape), graph.state(from(name), shape)]),
    weights,
  );
  return device.createPlan(compilePlan(graph), state);
}

/** Weights of a blend that copies. */
export const COPY = Float32Array.of(0, 1);
