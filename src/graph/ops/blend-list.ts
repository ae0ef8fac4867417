import type { Tensor } from '../ir.js';
import { applyToList, listOperation } from './list-operation.js';

/**
 * Weighted means of two lists of tensors, in place: to ← weights[0]·to + weights[1]·from, weights (2). Where weights[0] is 0, to
 * takes weights[1]·from whatever it held. Copies, moving averages and interpolations of weights.
 */
export const blendListOperation = listOperation<Record<string, never>>({
  name: 'blend_list',
  each: ['to', 'from'],
  stored: ['to'],
  shared: () => ({ weights: [2] }),
  reference(tensors, [{ data: weights }], _, changed) {
    const [a, b] = weights;
    for (const [t, [to, from]] of tensors.entries()) {
      const out = changed[t][0].data;
      for (let i = 0; i < out.length; i++) out[i] = (a === 0 ? 0 : a * to.data[i]) + b * from.data[i];
    }
  },
  flops: 3,
});

/** @param tensors [to, from] each; `to` is a state of the graph, and its update is declared here */
export function blendList(tensors: readonly (readonly Tensor[])[], weights: Tensor): void {
  applyToList(blendListOperation, tensors, [weights], {});
}
