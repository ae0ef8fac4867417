import type { Tensor } from '../ir.js';
import type { Operation } from '../operation.js';
import { broadcast, elementwiseInPlace } from './add.js';
import { reduceTo } from './sum-rows.js';

/**
 * y = a ∘ b, elementwise. b has a's shape or a suffix of it, in which case it is repeated over a's leading dimensions.
 *
 * Gradient: da = dy ∘ b; db = dy ∘ a summed over the repeated dimensions.
 */
export const mulOperation: Operation<Record<string, never>> = {
  name: 'mul',
  operands: ['a', 'b'],
  results: ['y'],
  infer: ([a, b]) => [broadcast('mul', a, b)],
  reference([a, b], _, [y]) {
    const period = b.data.length;
    for (let i = 0; i < y.data.length; i++) y.data[i] = a.data[i] * b.data[i % period];
  },
  gradient: ({ inputs: [a, b] }, [dy], needed) => [
    dy && needed[0] ? mul(dy, b) : undefined,
    dy && needed[1] ? reduceTo(mul(dy, a), b.shape) : undefined,
  ],
  onnx: (builder, _, [a, b]) => builder.emit('Mul', [a, b]),
  inPlace: elementwiseInPlace,
};

export function mul(a: Tensor, b: Tensor): Tensor {
  return a.graph.apply(mulOperation, [a, b], {})[0];
}
