import { normalCdf, normalDensity } from '../erf.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

/** dx = dy · (Φ(x) + x·φ(x)); x is gelu's operand. */
export const geluGradOperation: Operation<Record<string, never>> = {
  name: 'gelu_grad',
  operands: ['dy', 'x'],
  results: ['dx'],
  infer([dy, x]) {
    expectShape('gelu_grad', 'x', x, dy.shape, 'that of dy');
    return [f32(dy.shape)];
  },
  reference([dy, x], _, [dx]) {
    for (let i = 0; i < dx.data.length; i++) {
      dx.data[i] = dy.data[i] * (normalCdf(x.data[i]) + x.data[i] * normalDensity(x.data[i]));
    }
  },
  inPlace: () => [0, 1],
  flops: ([x]) => 25 * x.shape.reduce((product, size) => product * size, 1),
};

export function geluGrad(dy: Tensor, x: Tensor): Tensor {
  return dy.graph.apply(geluGradOperation, [dy, x], {})[0];
}
