import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows, type Shape } from '../operation.js';
import { sameShape, shapeError } from '../shape.js';
import { add } from './add.js';
import { reshape } from './reshape.js';

/** y[n] = Σ over all rows of x[…, n]: the gradient of a bias. Gradient: dy repeated for every row. */
export const sumRowsOperation: Operation<Record<string, never>> = {
  name: 'sum_rows',
  operands: ['x'],
  results: ['y'],
  infer([x]) {
    if (x.shape.length === 0) throw shapeError('sum_rows', 'x', 'at least one dimension', x.shape);
    return [f32([columns(x.shape)])];
  },
  reference([x], _, [y]) {
    const n = columns(x.shape);
    y.data.fill(0);
    for (let i = 0; i < x.data.length; i++) y.data[i % n] += x.data[i];
  },
  gradient: ({ inputs: [x] }, [dy]) => [dy && add(zeros(x), dy)],
  onnx: (builder, { inputs: [x] }, [name]) =>
    builder.emit('ReduceSum', [name, builder.constant('axes', 'i64', [x.shape.length - 1], leadingAxes(x.shape))], {
      keepdims: 0,
      noop_with_empty_axes: 1, // a single row
    }),
  flops: ([x]) => elements(x.shape),
};

export function sumRows(x: Tensor): Tensor {
  return x.graph.apply(sumRowsOperation, [x], {})[0];
}

/** Sums x over its leading dimensions until it has `shape`, a suffix of its own. */
export function reduceTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const size = elements(shape);
  const flat = reshape(x, [elements(x.shape) / size, size]);
  return reshape(sumRows(flat), shape);
}

function zeros(like: Tensor): Tensor {
  const name = `constant.zeros.${like.shape.join('x')}`;
  return like.graph.constant(name, like.shape, new Float32Array(rows(like.shape) * columns(like.shape)));
}

function leadingAxes(shape: Shape): number[] {
  return shape.slice(0, -1).map((_, i) => i);
}
