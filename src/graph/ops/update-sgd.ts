import type { Tensor } from '../ir.js';
import { applyToList, listOperation } from './list-operation.js';

/**
 * One step of SGD with momentum for a list of tensors, in place in the states param and buffer (Sutskever et al. 2013, "On the
 * importance of initialization and momentum in deep learning", in the form of torch.optim.SGD with dampening 0).
 * Row t of hyper (n, 8) = [lr, momentum, 1: Nesterov, l2, 0, 0, 0, 0]; coefficient (1) scales the gradients (clipping); NaN leaves the step out.
 *
 *   g = coefficient·grad + l2·p;  b ← momentum·b + g;  p ← p − lr·(Nesterov: g + momentum·b, else b)
 */
export const updateSgdOperation = listOperation<Record<string, never>>({
  name: 'update_sgd',
  each: ['param', 'grad', 'buffer'],
  stored: ['param', 'buffer'],
  shared: (n) => ({ hyper: [n, 8], coefficient: [1] }),
  unlessNaN: 'coefficient',
  reference(tensors, [hyper, coefficient], _, changed) {
    for (const [t, [param, grad, buffer]] of tensors.entries()) {
      const [lr, momentum, nesterov, l2] = hyper.data.subarray(8 * t);
      const [newParam, newBuffer] = changed[t].map(({ data }) => data);
      for (let i = 0; i < newParam.length; i++) {
        const g = grad.data[i] * coefficient.data[0] + l2 * param.data[i];
        newBuffer[i] = momentum * buffer.data[i] + g;
        newParam[i] = param.data[i] - lr * (nesterov !== 0 ? g + momentum * newBuffer[i] : newBuffer[i]);
      }
    }
  },
  flops: 7,
});

/** @param tensors [param, grad, buffer] each; param and buffer are states of the graph, and their updates are declared here */
export function updateSgd(tensors: readonly (readonly Tensor[])[], hyper: Tensor, coefficient: Tensor): void {
  applyToList(updateSgdOperation, tensors, [hyper, coefficient], {});
}
