import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { mul } from './mul.js';
import { reshape } from './reshape.js';
import { scale } from './scale.js';

/** y = Σ x²: x of any shape → y (1). Gradient: dx = 2·dy·x. */
export const sumSquaresOperation: Operation<Record<string, never>> = {
  name: 'sum_squares',
  operands: ['x'],
  results: ['y'],
  infer: () => [f32([1])],
  reference([x], _, [y]) {
    let sum = 0;
    for (const value of x.data) sum += value * value;
    y.data[0] = sum;
  },
  gradient({ inputs: [x] }, [dy]) {
    if (dy === undefined) return [];
    return [reshape(mul(reshape(scale(x, 2), [elements(x.shape), 1]), dy), x.shape)];
  },
  flops: ([x]) => 2 * elements(x.shape),
};

export function sumSquares(x: Tensor): Tensor {
  return x.graph.apply(sumSquaresOperation, [x], {})[0];
}
