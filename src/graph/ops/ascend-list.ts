import { finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import type { Value } from '../operation.js';
import { applyToList, listOperation } from './list-operation.js';

/**
 * The climb of sharpness-aware minimisation to the worst point near by, in place in param (Foret et al. 2021,
 * arXiv:2010.01412, eq. 2; Kwon et al. 2021, arXiv:2102.11600, eq. 6). With T = |param| + eta where adaptive[t] ≠ 0, else 1:
 *
 *   norm = √Σ (T·grad)² over the whole list;  param ← param + rho/(norm + 1e-12) · T²·grad
 *
 * (param, grad) × n, adaptive (n) → param × n, norm (1).
 */
export const ascendListOperation = listOperation<{ rho: number; eta: number }>({
  name: 'ascend_list',
  each: ['param', 'grad'],
  stored: ['param'],
  shared: (n) => ({ adaptive: [n] }),
  extra: ['norm'],
  check({ rho, eta }) {
    finite('rho of ascend_list', rho, 0);
    finite('eta of ascend_list', eta, 0);
  },
  reference(tensors, [{ data: adaptive }], { rho, eta }, changed, [norm]) {
    const offset = Math.fround(eta);
    const scaling = (t: number, param: Value, i: number) => (adaptive[t] !== 0 ? Math.abs(param.data[i]) + offset : 1);
    let squares = 0;
    for (const [t, [param, grad]] of tensors.entries()) {
      for (let i = 0; i < grad.data.length; i++) squares += (scaling(t, param, i) * grad.data[i]) ** 2;
    }
    norm.data[0] = Math.sqrt(squares);
    for (const [t, [param, grad]] of tensors.entries()) {
      const out = changed[t][0].data;
      for (let i = 0; i < out.length; i++) {
        out[i] = param.data[i] + (rho / (norm.data[0] + 1e-12)) * scaling(t, param, i) ** 2 * grad.data[i];
      }
    }
  },
  flops: 8,
});

/** @param tensors [param, grad] each; param is a state of the graph, and its update is declared here */
export function ascendList(
  tensors: readonly (readonly Tensor[])[],
  adaptive: Tensor,
  attrs: { rho: number; eta: number },
): { norm: Tensor } {
  const [norm] = applyToList(ascendListOperation, tensors, [adaptive], attrs);
  return { norm };
}
