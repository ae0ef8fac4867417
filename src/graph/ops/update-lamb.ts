import type { Tensor } from '../ir.js';
import { applyToList, listOperation } from './list-operation.js';

/**
 * One step of LAMB for a list of tensors, in place in the states param, m and v (You et al. 2020, arXiv:1904.00962, algorithm 2
 * with φ(z) = z). Row t of hyper (n, 8) = [lr, beta1, beta2, eps, 1 − beta1ᵗ, 1 − beta2ᵗ, decay, 1: by trust ratio, 0: without];
 * coefficient (1) scales the gradients (clipping); NaN leaves the step out.
 *
 *   g = coefficient·grad;  m ← beta1·m + (1 − beta1)·g;  v ← beta2·v + (1 − beta2)·g²
 *   r = (m/hyper[4]) / (√(v/hyper[5]) + eps) + decay·p;  p ← p − lr · ‖p‖/‖r‖ · r
 *
 * The norms are over one tensor; the ratio is 1 where either is 0.
 */
export const updateLambOperation = listOperation<Record<string, never>>({
  name: 'update_lamb',
  each: ['param', 'grad', 'm', 'v'],
  stored: ['param', 'm', 'v'],
  shared: (n) => ({ hyper: [n, 8], coefficient: [1] }),
  unlessNaN: 'coefficient',
  reference(tensors, [hyper, coefficient], _, changed) {
    for (const [t, [param, grad, m, v]] of tensors.entries()) {
      const [lr, beta1, beta2, eps, correction1, correction2, decay, adapts] = hyper.data.subarray(8 * t);
      const [newParam, newM, newV] = changed[t].map(({ data }) => data);
      const update = new Float64Array(newParam.length);
      let parameterSquares = 0;
      let updateSquares = 0;
      for (let i = 0; i < newParam.length; i++) {
        const g = grad.data[i] * coefficient.data[0];
        newM[i] = beta1 * m.data[i] + (1 - beta1) * g;
        newV[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
        update[i] = newM[i] / correction1 / (Math.sqrt(newV[i] / correction2) + eps) + decay * param.data[i];
        parameterSquares += param.data[i] ** 2;
        updateSquares += update[i] ** 2;
      }
      const ratio =
        adapts !== 0 && parameterSquares !== 0 && updateSquares !== 0 ? Math.sqrt(parameterSquares / updateSquares) : 1;
      for (let i = 0; i < newParam.length; i++) newParam[i] = param.data[i] - lr * ratio * update[i];
    }
  },
  flops: 24,
});

/** @param tensors [param, grad, m, v] each; all but grad are states of the graph, and their updates are declared here */
export function updateLamb(tensors: readonly (readonly Tensor[])[], hyper: Tensor, coefficient: Tensor): void {
  applyToList(updateLambOperation, tensors, [hyper, coefficient], {});
}
