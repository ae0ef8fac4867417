import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { expectShape } from '../shape.js';

/** dlogits = dloss · 2·lse·exp(logits − lse)/rows. */
export const routerZLossGradOperation: Operation<Record<string, never>> = {
  name: 'router_z_loss_grad',
  operands: ['dloss', 'logits', 'lse'],
  results: ['dlogits'],
  infer([dLoss, logits, lse]) {
    expectShape('router_z_loss_grad', 'dloss', dLoss, [1], 'a scalar');
    expectShape('router_z_loss_grad', 'lse', lse, [rows(logits.shape)], 'one a row of logits');
    return [f32(logits.shape)];
  },
  reference([dLoss, logits, lse], _, [dLogits]) {
    const c = columns(logits.shape);
    const factor = (2 * dLoss.data[0]) / lse.data.length;
    for (let i = 0; i < logits.data.length; i++) {
      const z = lse.data[Math.floor(i / c)];
      dLogits.data[i] = factor * z * Math.exp(logits.data[i] - z);
    }
  },
  flops: ([, logits]) => 12 * elements(logits.shape),
};

export function routerZLossGrad(dLoss: Tensor, logits: Tensor, lse: Tensor): Tensor {
  return logits.graph.apply(routerZLossGradOperation, [dLoss, logits, lse], {})[0];
}
