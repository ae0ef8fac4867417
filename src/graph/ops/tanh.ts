import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { tanhGrad } from './tanh-grad.js';

/** y = tanh(x). Gradient: tanh_grad(dy, y). */
export const tanhOperation: Operation<Record<string, never>> = {
  name: 'tanh',
  operands: ['x'],
  results: ['y'],
  infer: ([x]) => [f32(x.shape)],
  reference([x], _, [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = Math.tanh(x.data[i]);
  },
  gradient: ({ outputs: [y] }, [dy]) => [dy && tanhGrad(dy, y)],
  onnx: (builder, _, [x]) => builder.emit('Tanh', [x]),
  inPlace: () => [0],
  flops: ([x]) => 25 * elements(x.shape),
};

export function tanh(x: Tensor): Tensor {
  return x.graph.apply(tanhOperation, [x], {})[0];
}
