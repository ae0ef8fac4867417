import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { shapeError } from '../shape.js';
import { add } from './add.js';
import { matmul } from './matmul.js';
import { mul } from './mul.js';
import { reshape } from './reshape.js';
import { scale } from './scale.js';

/**
 * y = exp(x − max x)/Σ exp(x − max x) along the last axis.
 * Gradient: dx = y∘(dy − Σ y∘dy), the row sums by a product with a matrix of ones.
 */
export const softmaxOperation: Operation<Record<string, never>> = {
  name: 'softmax',
  operands: ['x'],
  results: ['y'],
  infer([x]) {
    if (x.shape.length === 0) throw shapeError('softmax', 'x', 'at least one dimension', x.shape);
    return [f32(x.shape)];
  },
  reference([x], _, [y]) {
    const c = columns(x.shape);
    for (let row = 0; row < rows(x.shape); row++) {
      softmaxRow(x.data.subarray(row * c, (row + 1) * c), y.data.subarray(row * c, (row + 1) * c));
    }
  },
  gradient({ outputs: [y] }, [dy]) {
    if (dy === undefined) return [];
    const c = columns(y.shape);
    const ones = y.graph.constant(`constant.ones.${c}x${c}`, [c, c], new Float32Array(c * c).fill(1));
    const rowSums = reshape(matmul(reshape(mul(dy, y), [rows(y.shape), c]), ones), y.shape);
    return [mul(y, add(dy, scale(rowSums, -1)))];
  },
  onnx: (builder, _, [x]) => builder.emit('Softmax', [x], { axis: -1 }),
  flops: ([x]) => 5 * elements(x.shape),
};

export function softmax(x: Tensor): Tensor {
  return x.graph.apply(softmaxOperation, [x], {})[0];
}

/** Softmax of one row; returns its log-sum-exp. */
export function softmaxRow(x: Float64Array, y: Float64Array): number {
  let peak = Number.NEGATIVE_INFINITY;
  for (const value of x) peak = Math.max(peak, value);
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    y[i] = Math.exp(x[i] - peak);
    sum += y[i];
  }
  for (let i = 0; i < x.length; i++) y[i] /= sum;
  return peak + Math.log(sum);
}
