import type { Tensor } from '../ir.js';
import { applyToList, listOperation } from './list-operation.js';

/**
 * Gradients of a scaled loss brought back, in place: grad ← factor·grad, factor (1), with the norm of all of them afterwards: infinite or NaN
 * where one has overflowed. grad × n, factor (1) → grad × n, norm (1).
 */
export const unscaleListOperation = listOperation<Record<string, never>>({
  name: 'unscale_list',
  each: ['grad'],
  stored: ['grad'],
  shared: () => ({ factor: [1] }),
  extra: ['norm'],
  reference(tensors, [{ data: factor }], _, changed, [norm]) {
    let squares = 0;
    for (const [t, [grad]] of tensors.entries()) {
      const out = changed[t][0].data;
      for (let i = 0; i < out.length; i++) {
        out[i] = factor[0] * grad.data[i];
        squares += out[i] * out[i];
      }
    }
    norm.data[0] = Math.sqrt(squares);
  },
  flops: 3,
});

/** @param gradients states of the graph; their updates are declared here */
export function unscaleList(gradients: readonly Tensor[], factor: Tensor): { norm: Tensor } {
  const tensors = gradients.map((gradient) => [gradient]);
  const [norm] = applyToList(unscaleListOperation, tensors, [factor], {});
  return { norm };
}
