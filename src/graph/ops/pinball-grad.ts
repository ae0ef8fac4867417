import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { expectShape } from '../shape.js';
import { expectPinball } from './pinball.js';

/**
 * dy = dloss · ((1 − q) where y > target, −q where y < target, 0 where they are equal)/n with n the number of elements whose
 * target is not NaN; 0 where it is.
 */
export const pinballGradOperation: Operation<Record<string, never>> = {
  name: 'pinball_grad',
  operands: ['dloss', 'y', 'target', 'quantiles'],
  results: ['dy'],
  infer([dLoss, y, target, quantiles]) {
    expectShape('pinball_grad', 'dloss', dLoss, [1], 'a scalar');
    expectPinball('pinball_grad', y, target, quantiles);
    return [f32(y.shape)];
  },
  reference([dLoss, y, target, quantiles], _, [dy]) {
    const count = columns(y.shape);
    const counted = count * target.data.reduce((n, value) => n + (Number.isNaN(value) ? 0 : 1), 0);
    for (let row = 0; row < rows(y.shape); row++) {
      for (let j = 0; j < count; j++) {
        const q = quantiles.data[j];
        const error = target.data[row] - y.data[row * count + j];
        const slope = error < 0 ? 1 - q : error > 0 ? -q : 0 * error;
        dy.data[row * count + j] = Number.isNaN(target.data[row]) ? 0 : (dLoss.data[0] * slope) / counted;
      }
    }
  },
  flops: ([, y]) => 3 * elements(y.shape),
};

export function pinballGrad(dLoss: Tensor, y: Tensor, target: Tensor, quantiles: Tensor): Tensor {
  return y.graph.apply(pinballGradOperation, [dLoss, y, target, quantiles], {})[0];
}
