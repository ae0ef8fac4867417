import { finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

/** dy = dloss · clamp(y − target, −delta, delta)/n with n the number of targets that are not NaN; 0 where one is. */
export const huberGradOperation: Operation<{ delta: number }> = {
  name: 'huber_grad',
  operands: ['dloss', 'y', 'target'],
  results: ['dy'],
  infer([dLoss, y, target], { delta }) {
    finite('delta of huber_grad', delta, Number.MIN_VALUE);
    expectShape('huber_grad', 'dloss', dLoss, [1], 'a scalar');
    expectShape('huber_grad', 'target', target, y.shape, 'that of y');
    return [f32(y.shape)];
  },
  reference([dLoss, y, target], { delta }, [dy]) {
    const limit = Math.fround(delta);
    const counted = target.data.reduce((n, value) => n + (Number.isNaN(value) ? 0 : 1), 0);
    for (let i = 0; i < y.data.length; i++) {
      const error = Math.max(-limit, Math.min(limit, y.data[i] - target.data[i]));
      dy.data[i] = Number.isNaN(target.data[i]) ? 0 : (dLoss.data[0] * error) / counted;
    }
  },
  flops: ([, y]) => 4 * elements(y.shape),
};

export function huberGrad(dLoss: Tensor, y: Tensor, target: Tensor, attrs: { delta: number }): Tensor {
  return y.graph.apply(huberGradOperation, [dLoss, y, target], attrs)[0];
}
