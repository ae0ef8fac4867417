import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { sigmoidGrad } from './sigmoid-grad.js';

/** y = 1/(1 + exp(−x)). Gradient: sigmoid_grad(dy, y). */
export const sigmoidOperation: Operation<Record<string, never>> = {
  name: 'sigmoid',
  operands: ['x'],
  results: ['y'],
  infer: ([x]) => [f32(x.shape)],
  reference([x], _, [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = sigmoidOf(x.data[i]);
  },
  gradient: ({ outputs: [y] }, [dy]) => [dy && sigmoidGrad(dy, y)],
  onnx: (builder, _, [x]) => builder.emit('Sigmoid', [x]),
  inPlace: () => [0],
  flops: ([x]) => 15 * elements(x.shape),
};

export function sigmoid(x: Tensor): Tensor {
  return x.graph.apply(sigmoidOperation, [x], {})[0];
}

export function sigmoidOf(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
