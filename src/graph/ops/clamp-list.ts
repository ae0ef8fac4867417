import { finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { applyToList, listOperation } from './list-operation.js';

/** Gradient clipping by value, in place: grad ← min(max(grad, −limit), limit), as PyTorch's clip_grad_value_. NaN stays NaN. */
export const clampListOperation = listOperation<{ limit: number }>({
  name: 'clamp_list',
  each: ['grad'],
  stored: ['grad'],
  check: ({ limit }) => void finite('limit of clamp_list', limit, Number.MIN_VALUE),
  reference(tensors, _, { limit }, changed) {
    const bound = Math.fround(limit);
    for (const [t, [grad]] of tensors.entries()) {
      changed[t][0].data.set(grad.data.map((g) => Math.min(Math.max(g, -bound), bound)));
    }
  },
  flops: 2,
});

/** @param gradients states of the graph; their updates are declared here */
export function clampList(gradients: readonly Tensor[], limit: number): void {
  const tensors = gradients.map((gradient) => [gradient]);
  applyToList(clampListOperation, tensors, [], { limit });
}
