import type { Tensor } from '../ir.js';
import { elements, f32, type Operation, type TensorType } from '../operation.js';
import { expectShape, shapeError } from '../shape.js';
import { weightNormGrad } from './weight-norm-grad.js';

/**
 * w[o] = gain[o] · v[o]/‖v[o]‖, each output channel's weights together: v (O, …), gain (O) → w (O, …).
 * Salimans & Kingma 2016 (arXiv:1602.07868), eq. 2. Gradient: weight_norm_grad.
 */
export const weightNormOperation: Operation<Record<string, never>> = {
  name: 'weight_norm',
  operands: ['v', 'gain'],
  results: ['w'],
  infer([v, gain]) {
    expectGain('weight_norm', v, gain);
    return [f32(v.shape)];
  },
  reference([v, gain], _, [w]) {
    const size = v.data.length / gain.data.length;
    for (const [o, g] of gain.data.entries()) {
      const row = v.data.subarray(o * size, (o + 1) * size);
      const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
      for (let i = 0; i < size; i++) w.data[o * size + i] = (row[i] / norm) * g;
    }
  },
  gradient: ({ inputs: [v, gain] }, [dw]) => (dw === undefined ? [] : weightNormGrad(dw, v, gain)),
  onnx(builder, { inputs: [v] }, [name, gain]) {
    const rank = v.shape.length;
    const axes = Array.from({ length: rank - 1 }, (_, i) => i + 1);
    const [norm] = builder.emit('ReduceL2', [name], { axes, keepdims: 1 });
    const [unit] = builder.emit('Div', [name, norm]);
    const [column] = builder.emit('Unsqueeze', [gain, builder.constant('axes', 'i64', [rank - 1], axes)]);
    return builder.emit('Mul', [unit, column]);
  },
  flops: ([v]) => 4 * elements(v.shape),
};

export function weightNorm(v: Tensor, gain: Tensor): Tensor {
  return v.graph.apply(weightNormOperation, [v, gain], {})[0];
}

export function expectGain(operation: string, v: TensorType, gain: TensorType): void {
  if (v.shape.length < 2) throw shapeError(operation, 'v', 'at least 2 dimensions', v.shape);
  expectShape(operation, 'gain', gain, [v.shape[0]], 'one a row of v');
}
