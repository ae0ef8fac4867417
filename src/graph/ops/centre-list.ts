import type { Tensor } from '../ir.js';
import { elements } from '../operation.js';
import { applyToList, listOperation } from './list-operation.js';

/**
 * Gradient centralisation, in place (Yong et al. 2020, arXiv:2004.01461, eq. 1): each gradient less its mean over all axes but
 * the first, which is that of the outputs. Tensors of one axis (biases, norms) stay as they are.
 */
export const centreListOperation = listOperation<Record<string, never>>({
  name: 'centre_list',
  each: ['grad'],
  stored: ['grad'],
  reference(tensors, _, __, changed) {
    for (const [t, [grad]] of tensors.entries()) {
      const out = changed[t][0].data;
      out.set(grad.data);
      if (grad.shape.length < 2) continue;
      const columns = elements(grad.shape) / grad.shape[0];
      for (let at = 0; at < out.length; at += columns) {
        const row = out.subarray(at, at + columns);
        const mean = row.reduce((sum, g) => sum + g, 0) / columns;
        for (let i = 0; i < columns; i++) row[i] -= mean;
      }
    }
  },
  flops: 2,
});

/** @param gradients states of the graph; their updates are declared here */
export function centreList(gradients: readonly Tensor[]): void {
  const tensors = gradients.map((gradient) => [gradient]);
  applyToList(centreListOperation, tensors, [], {});
}
