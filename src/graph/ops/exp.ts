import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { mul } from './mul.js';

/** y = exp(x). Gradient: dy · y. */
export const expOperation: Operation<Record<string, never>> = {
  name: 'exp',
  operands: ['x'],
  results: ['y'],
  infer: ([x]) => [f32(x.shape)],
  reference([x], _, [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = Math.exp(x.data[i]);
  },
  gradient: ({ outputs: [y] }, [dy]) => [dy && mul(dy, y)],
  onnx: (builder, _, [x]) => builder.emit('Exp', [x]),
  inPlace: () => [0],
  flops: ([x]) => 12 * elements(x.shape),
};

export function exp(x: Tensor): Tensor {
  return x.graph.apply(expOperation, [x], {})[0];
}
