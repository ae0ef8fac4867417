import type { Tensor } from '../ir.js';
import { applyToList, listOperation } from './list-operation.js';

/**
 * One step of Adam or AdamW for a list of tensors, in place in the states param, m and v (Kingma & Ba 2015,
 * arXiv:1412.6980, algorithm 1; Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2).
 * Row t of hyper (n, 8) = [lr, beta1, beta2, eps, 1 − beta1ᵗ, 1 − beta2ᵗ, decay, l2]; coefficient (1) scales the gradients (clipping); NaN leaves the step out.
 *
 *   g = coefficient·grad + l2·p;  p ← p − lr·decay·p;  m ← beta1·m + (1 − beta1)·g;  v ← beta2·v + (1 − beta2)·g²
 *   p ← p − lr · (m/hyper[4]) / (√(v/hyper[5]) + eps)
 */
export const updateAdamOperation = listOperation<Record<string, never>>({
  name: 'update_adam',
  each: ['param', 'grad', 'm', 'v'],
  stored: ['param', 'm', 'v'],
  shared: (n) => ({ hyper: [n, 8], coefficient: [1] }),
  unlessNaN: 'coefficient',
  reference(tensors, [hyper, coefficient], _, changed) {
    for (const [t, [param, grad, m, v]] of tensors.entries()) {
      const [lr, beta1, beta2, eps, correction1, correction2, decay, l2] = hyper.data.subarray(8 * t);
      const [newParam, newM, newV] = changed[t].map(({ data }) => data);
      for (let i = 0; i < newParam.length; i++) {
        const g = grad.data[i] * coefficient.data[0] + l2 * param.data[i];
        newM[i] = beta1 * m.data[i] + (1 - beta1) * g;
        newV[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
        newParam[i] =
          param.data[i] * (1 - lr * decay) - (lr * (newM[i] / correction1)) / (Math.sqrt(newV[i] / correction2) + eps);
      }
    }
  },
  flops: 14,
});

/** @param tensors [param, grad, m, v] each; all but grad are states of the graph, and their updates are declared here */
export function updateAdam(tensors: readonly (readonly Tensor[])[], hyper: Tensor, coefficient: Tensor): void {
  applyToList(updateAdamOperation, tensors, [hyper, coefficient], {});
}
