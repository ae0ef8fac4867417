import { finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { onnxScalar } from '../onnx-lowering.js';
import { f32, type Operation } from '../operation.js';

/** y = x · factor, the factor being rounded to float32. Gradient: dx = dy · factor. A factor of 1 copies. */
export const scaleOperation: Operation<{ factor: number }> = {
  name: 'scale',
  operands: ['x'],
  results: ['y'],
  infer([x], { factor }) {
    finite('factor of scale', factor);
    return [f32(x.shape)];
  },
  reference([x], { factor }, [y]) {
    const rounded = Math.fround(factor);
    for (let i = 0; i < y.data.length; i++) y.data[i] = x.data[i] * rounded;
  },
  gradient: ({ attrs }, [dy]) => [dy && scale(dy, attrs.factor)],
  onnx: (builder, { attrs }, [x]) => builder.emit('Mul', [x, onnxScalar(builder, 'factor', attrs.factor)]),
  inPlace: () => [0],
};

export function scale(x: Tensor, factor: number): Tensor {
  return x.graph.apply(scaleOperation, [x], { factor })[0];
}
