import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

/** dx = dy · y · (1 − y); y is sigmoid's result. */
export const sigmoidGradOperation: Operation<Record<string, never>> = {
  name: 'sigmoid_grad',
  operands: ['dy', 'y'],
  results: ['dx'],
  infer([dy, y]) {
    expectShape('sigmoid_grad', 'y', y, dy.shape, 'that of dy');
    return [f32(dy.shape)];
  },
  reference([dy, y], _, [dx]) {
    for (let i = 0; i < dx.data.length; i++) dx.data[i] = dy.data[i] * (y.data[i] * (1 - y.data[i]));
  },
  inPlace: () => [0, 1],
  flops: ([dy]) => 3 * elements(dy.shape),
};

export function sigmoidGrad(dy: Tensor, y: Tensor): Tensor {
  return dy.graph.apply(sigmoidGradOperation, [dy, y], {})[0];
}
