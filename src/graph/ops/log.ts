import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { exp } from './exp.js';
import { mul } from './mul.js';
import { scale } from './scale.js';

/** y = log x, natural; −∞ at 0, NaN below. Gradient: dy / x, as dy · exp(−y). */
export const logOperation: Operation<Record<string, never>> = {
  name: 'log',
  operands: ['x'],
  results: ['y'],
  infer: ([x]) => [f32(x.shape)],
  reference([x], _, [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = Math.log(x.data[i]);
  },
  gradient: ({ outputs: [y] }, [dy]) => [dy && mul(dy, exp(scale(y, -1)))],
  onnx: (builder, _, [x]) => builder.emit('Log', [x]),
  inPlace: () => [0],
  flops: ([x]) => 12 * elements(x.shape),
};

export function log(x: Tensor): Tensor {
  return x.graph.apply(logOperation, [x], {})[0];
}
