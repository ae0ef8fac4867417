import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { shapeError } from '../shape.js';

/** y[…, j, i] = x[…, i, j]: x (…, M, N) → y (…, N, M). Gradient: the transpose of dy. */
export const transposeOperation: Operation<Record<string, never>> = {
  name: 'transpose',
  operands: ['x'],
  results: ['y'],
  infer([x]) {
    if (x.shape.length < 2) throw shapeError('transpose', 'x', 'at least 2 dimensions', x.shape);
    const [m, n] = x.shape.slice(-2);
    return [f32([...x.shape.slice(0, -2), n, m])];
  },
  reference([x], _, [y]) {
    const [m, n] = x.shape.slice(-2);
    for (let e = 0; e < x.data.length; e++) {
      const matrix = Math.floor(e / (m * n));
      const i = Math.floor(e / n) % m;
      y.data[(matrix * n + (e % n)) * m + i] = x.data[e];
    }
  },
  gradient: (_, [dy]) => [dy && transpose(dy)],
  onnx(builder, { inputs: [x] }, [name]) {
    const rank = x.shape.length;
    const perm = x.shape.map((_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
    return builder.emit('Transpose', [name], { perm });
  },
  flops: () => 0,
};

/** Swaps the last two axes. */
export function transpose(x: Tensor): Tensor {
  return x.graph.apply(transposeOperation, [x], {})[0];
}
