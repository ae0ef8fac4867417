import { FlashbookError } from '../../core/errors.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { shapeError } from '../shape.js';
import { routerZLossGrad } from './router-z-loss-grad.js';
import { softmaxRow } from './softmax.js';

/**
 * The mean over the rows of (log Σ exp logits)², which keeps a router's logits small (Zoph et al. 2022, ST-MoE, arXiv:2202.08906, eq. 5).
 * logits (…, E) → loss (1), lse (rows). Gradient: router_z_loss_grad; lse is for it alone. Training only.
 */
export const routerZLossOperation: Operation<Record<string, never>> = {
  name: 'router_z_loss',
  operands: ['logits'],
  results: ['loss', 'lse'],
  infer([logits]) {
    if (logits.shape.length === 0) throw shapeError('router_z_loss', 'logits', 'at least one dimension', logits.shape);
    return [f32([1]), f32([rows(logits.shape)])];
  },
  reference([logits], _, [loss, lse]) {
    const c = columns(logits.shape);
    const scratch = new Float64Array(c);
    for (let row = 0; row < lse.data.length; row++) {
      lse.data[row] = softmaxRow(logits.data.subarray(row * c, (row + 1) * c), scratch);
    }
    loss.data[0] = lse.data.reduce((sum, z) => sum + z * z, 0) / lse.data.length;
  },
  gradient({ inputs: [logits], outputs: [, lse] }, [dLoss, dLse]) {
    if (dLse !== undefined)
      throw new FlashbookError('OPTION', 'router_z_loss: the loss must not depend on the result lse');
    return [dLoss && routerZLossGrad(dLoss, logits, lse)];
  },
  flops: ([logits]) => 15 * elements(logits.shape),
};

export function routerZLoss(logits: Tensor): Tensor {
  return logits.graph.apply(routerZLossOperation, [logits], {})[0];
}
