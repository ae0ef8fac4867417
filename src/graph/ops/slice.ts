import { integer } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { onnxIntegers } from '../onnx-lowering.js';
import { columns, elements, f32, type Operation, rows, type Shape } from '../operation.js';
import { shapeError } from '../shape.js';
import { concat } from './concat.js';

/** Columns start … start + length − 1 of the last axis: x (…, C) → y (…, length). Gradient: dy between zeros. */
export const sliceOperation: Operation<{ start: number; length: number }> = {
  name: 'slice',
  operands: ['x'],
  results: ['y'],
  infer([x], { start, length }) {
    integer('start of slice', start, 0);
    integer('length of slice', length, 1);
    if (x.shape.length === 0 || start + length > columns(x.shape)) {
      throw shapeError('slice', 'x', `at least ${start + length} columns`, x.shape);
    }
    return [f32([...x.shape.slice(0, -1), length])];
  },
  reference([x], { start, length }, [y]) {
    const c = columns(x.shape);
    for (let row = 0; row < rows(x.shape); row++) {
      y.data.set(x.data.subarray(row * c + start, row * c + start + length), row * length);
    }
  },
  gradient({ inputs: [x], attrs: { start, length } }, [dy]) {
    if (dy === undefined) return [];
    const after = columns(x.shape) - start - length;
    const parts = [dy];
    if (start > 0) parts.unshift(zeros(dy, start));
    if (after > 0) parts.push(zeros(dy, after));
    return [concat(parts)];
  },
  onnx: (builder, { attrs: { start, length } }, [x]) =>
    builder.emit('Slice', [
      x,
      onnxIntegers(builder, 'start', [start]),
      onnxIntegers(builder, 'end', [start + length]),
      onnxIntegers(builder, 'axis', [-1]),
    ]),
  flops: () => 0,
};

export function slice(x: Tensor, attrs: { start: number; length: number }): Tensor {
  return x.graph.apply(sliceOperation, [x], attrs)[0];
}

function zeros(like: Tensor, width: number): Tensor {
  const shape: Shape = [...like.shape.slice(0, -1), width];
  return like.graph.constant(`constant.zeros.${shape.join('x')}`, shape, new Float32Array(elements(shape)));
}
