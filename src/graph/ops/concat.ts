import type { Tensor } from '../ir.js';
import { columns, f32, type Operation, rows } from '../operation.js';
import { expectShape } from '../shape.js';
import { slice } from './slice.js';

/** Joins tensors along the last axis: n × (…, Cᵢ) → (…, ΣCᵢ). Gradient: slices of dy. */
export const concatOperation: Operation<Record<string, never>> = {
  name: 'concat',
  operands: ['x…'],
  results: ['y'],
  infer(inputs) {
    const leading = inputs[0].shape.slice(0, -1);
    for (const [i, x] of inputs.entries()) {
      expectShape('concat', `x${i}`, x, [...leading, columns(x.shape)], 'leading dimensions of x0');
    }
    return [f32([...leading, inputs.reduce((sum, x) => sum + columns(x.shape), 0)])];
  },
  reference(inputs, _, [y]) {
    const width = columns(y.shape);
    for (let row = 0; row < rows(y.shape); row++) {
      let start = row * width;
      for (const x of inputs) {
        const c = columns(x.shape);
        y.data.set(x.data.subarray(row * c, (row + 1) * c), start);
        start += c;
      }
    }
  },
  gradient({ inputs }, [dy], needed) {
    let start = 0;
    return inputs.map((x, i) => {
      const length = columns(x.shape);
      start += length;
      return dy && needed[i] ? slice(dy, { start: start - length, length }) : undefined;
    });
  },
  onnx: (builder, _, inputs) => builder.emit('Concat', inputs, { axis: -1 }),
  flops: () => 0,
};

export function concat(tensors: readonly Tensor[]): Tensor {
  return tensors.length === 1 ? tensors[0] : tensors[0].graph.apply(concatOperation, tensors, {})[0];
}
