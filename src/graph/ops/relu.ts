import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { reluGrad } from './relu-grad.js';

/** y = max(x, 0); NaN stays NaN. Gradient: relu_grad(dy, y). */
export const reluOperation: Operation<Record<string, never>> = {
  name: 'relu',
  operands: ['x'],
  results: ['y'],
  infer: ([x]) => [f32(x.shape)],
  reference([x], _, [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = reluOf(x.data[i]);
  },
  gradient: ({ outputs: [y] }, [dy]) => [dy && reluGrad(dy, y)],
  onnx: (builder, _, [x]) => builder.emit('Relu', [x]),
  inPlace: () => [0],
};

export function relu(x: Tensor): Tensor {
  return x.graph.apply(reluOperation, [x], {})[0];
}

export function reluOf(x: number): number {
  return Math.max(x, 0);
}
