import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

/** dx = dy where y > 0, else 0; y is relu's result. */
export const reluGradOperation: Operation<Record<string, never>> = {
  name: 'relu_grad',
  operands: ['dy', 'y'],
  results: ['dx'],
  infer([dy, y]) {
    expectShape('relu_grad', 'y', y, dy.shape, 'that of dy');
    return [f32(dy.shape)];
  },
  reference([dy, y], _, [dx]) {
    for (let i = 0; i < dx.data.length; i++) dx.data[i] = y.data[i] > 0 ? dy.data[i] : 0;
  },
  inPlace: () => [0, 1],
};

export function reluGrad(dy: Tensor, y: Tensor): Tensor {
  return dy.graph.apply(reluGradOperation, [dy, y], {})[0];
}
