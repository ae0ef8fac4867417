import { OPERATIONS, type Value } from '../../src/graph/index.js';
import type { PlanSpec, PlanTensor } from '../../src/native/plan-spec.js';

/**
 * Runs a plan with the operations' float64 definitions over one real arena, so that two tensors which wrongly share memory
 * destroy each other. Arena cells are 4 bytes wide.
 */
export function runPlan(
  plan: PlanSpec,
  inputs: Readonly<Record<string, ArrayLike<number>>>,
  state: Record<string, Float64Array>,
): Float64Array[] {
  const arena = new Float64Array(plan.arenaBytes / 4).fill(Number.NaN);
  const view = (index: number): Value => {
    const tensor = plan.tensors[index];
    const data = tensor.space === 'state' ? state[tensor.name] : arenaCells(arena, tensor);
    return { shape: tensor.shape, dtype: tensor.dtype, data };
  };
  for (const index of plan.inputs) view(index).data.set(inputs[plan.tensors[index].name]);
  for (const step of plan.steps) {
    const operands = step.inputs.map((index) => (index === -1 ? undefined : view(index))) as Value[];
    OPERATIONS.get(step.kernel)!.reference(operands, step.attrs, step.outputs.map(view));
  }
  return plan.outputs.map((index) => Float64Array.from(view(index).data));
}

function arenaCells(arena: Float64Array, tensor: PlanTensor): Float64Array {
  const size = tensor.shape.reduce((product, n) => product * n, 1);
  if (tensor.offset % 64 !== 0 || tensor.offset / 4 + size > arena.length) {
    throw new Error(`tensor ${tensor.name} at ${tensor.offset} is misaligned or leaves the arena`);
  }
  return arena.subarray(tensor.offset / 4, tensor.offset / 4 + size);
}
