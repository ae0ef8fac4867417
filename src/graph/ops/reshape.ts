import { FlashbookError } from '../../core/errors.js';
import type { Tensor } from '../ir.js';
import { onnxIntegers } from '../onnx-lowering.js';
import { elements, type Operation, type Shape } from '../operation.js';
import { checkShape, formatShape, sameShape, shapeError } from '../shape.js';

/**
 * The same numbers in row-major order under another shape. No kernel: in a plan the result is the same memory.
 *
 * ONNX: the first dimension is written as 0 ("as the input's") where it is kept, else as −1, so that it may become dynamic.
 */
export const reshapeOperation: Operation<{ shape: readonly number[] }> = {
  name: 'reshape',
  operands: ['x'],
  results: ['y'],
  infer([x], { shape }) {
    checkShape('reshape', shape);
    if (elements(shape) !== elements(x.shape)) {
      throw shapeError('reshape', 'x', `${elements(shape)} elements for the new shape ${formatShape(shape)}`, x.shape);
    }
    return [{ shape, dtype: x.dtype }];
  },
  reference([x], _, [y]) {
    y.data.set(x.data);
  },
  gradient: ({ inputs: [x] }, [dy]) => [dy && reshape(dy, x.shape)],
  onnx(builder, { inputs: [x], attrs: { shape } }, [name]) {
    if (shape.length === 0)
      throw new FlashbookError('SHAPE', 'reshape to a scalar has no ONNX form with a dynamic batch');
    const kept = shape[0] === x.shape[0];
    const target = onnxIntegers(builder, 'shape', [kept ? 0 : -1, ...shape.slice(1)]);
    return builder.emit('Reshape', [name, target]);
  },
  flops: () => 0,
};

export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  return x.graph.apply(reshapeOperation, [x], { shape: [...shape] })[0];
}
