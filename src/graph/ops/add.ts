import type { Tensor } from '../ir.js';
import { f32, type Operation, type Shape, type TensorType } from '../operation.js';
import { formatShape, isSuffix, sameShape, shapeError } from '../shape.js';
import { reduceTo } from './sum-rows.js';

/**
 * y = a + b. b has a's shape or a suffix of it, in which case it is repeated over a's leading dimensions.
 *
 * Gradient: da = dy; db = dy summed over the repeated dimensions.
 */
export const addOperation: Operation<Record<string, never>> = {
  name: 'add',
  operands: ['a', 'b'],
  results: ['y'],
  infer: ([a, b]) => [broadcast('add', a, b)],
  reference([a, b], _, [y]) {
    const period = b.data.length;
    for (let i = 0; i < y.data.length; i++) y.data[i] = a.data[i] + b.data[i % period];
  },
  gradient: ({ inputs: [, b] }, [dy], needed) => [dy, dy && needed[1] ? reduceTo(dy, b.shape) : undefined],
  onnx: (builder, _, [a, b]) => builder.emit('Add', [a, b]),
  inPlace: elementwiseInPlace,
};

export function add(a: Tensor, b: Tensor): Tensor {
  return a.graph.apply(addOperation, [a, b], {})[0];
}

/** The shape rule of the two-operand elementwise operations. */
export function broadcast(operation: string, a: TensorType, b: TensorType): TensorType {
  if (!isSuffix(b.shape, a.shape)) {
    throw shapeError(operation, 'b', `the shape of a, ${formatShape(a.shape)}, or a suffix of it`, b.shape);
  }
  return f32(a.shape as Shape);
}

/** The result may take a's memory, or b's if b has the same shape. */
export function elementwiseInPlace([a, b]: readonly TensorType[]): readonly number[] {
  return sameShape(a.shape, b.shape) ? [0, 1] : [0];
}
