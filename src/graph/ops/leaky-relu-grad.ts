import { finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

/** dx = dy where y > 0, else slope · dy; y is leaky_relu's result, whose sign is that of its operand. */
export const leakyReluGradOperation: Operation<{ slope: number }> = {
  name: 'leaky_relu_grad',
  operands: ['dy', 'y'],
  results: ['dx'],
  infer([dy, y], { slope }) {
    finite('slope of leaky_relu_grad', slope, 0, 1);
    expectShape('leaky_relu_grad', 'y', y, dy.shape, 'that of dy');
    return [f32(dy.shape)];
  },
  reference([dy, y], { slope }, [dx]) {
    const rounded = Math.fround(slope);
    for (let i = 0; i < dx.data.length; i++) dx.data[i] = y.data[i] > 0 ? dy.data[i] : rounded * dy.data[i];
  },
  inPlace: () => [0, 1],
};

export function leakyReluGrad(dy: Tensor, y: Tensor, attrs: { slope: number }): Tensor {
  return dy.graph.apply(leakyReluGradOperation, [dy, y], attrs)[0];
}
