import { normalCdf } from '../erf.js';
import type { Tensor } from '../ir.js';
import { type OnnxBuilder, onnxScalar } from '../onnx-lowering.js';
import { f32, type Operation } from '../operation.js';
import { geluGrad } from './gelu-grad.js';

/**
 * y = x · Φ(x) = x/2 · (1 + erf(x/√2)), the exact form (Hendrycks & Gimpel 2016, arXiv:1606.08415), not the tanh one.
 * Gradient: gelu_grad(dy, x). ONNX has no Gelu before opset 20: lowered to Erf.
 */
export const geluOperation: Operation<Record<string, never>> = {
  name: 'gelu',
  operands: ['x'],
  results: ['y'],
  infer: ([x]) => [f32(x.shape)],
  reference([x], _, [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = geluOf(x.data[i]);
  },
  gradient: ({ inputs: [x] }, [dy]) => [dy && geluGrad(dy, x)],
  onnx: (builder, _, [x]) => [onnxGelu(builder, x)],
  inPlace: () => [0],
  flops: ([x]) => 20 * x.shape.reduce((product, size) => product * size, 1),
};

export function gelu(x: Tensor): Tensor {
  return x.graph.apply(geluOperation, [x], {})[0];
}

export function geluOf(x: number): number {
  return x * normalCdf(x);
}

export function onnxGelu(builder: OnnxBuilder, x: string): string {
  const [scaled] = builder.emit('Mul', [x, onnxScalar(builder, 'sqrt_half', Math.SQRT1_2)]);
  const [erf] = builder.emit('Erf', [scaled]);
  const [shifted] = builder.emit('Add', [erf, onnxScalar(builder, 'one', 1)]);
  const [half] = builder.emit('Mul', [x, onnxScalar(builder, 'half', 0.5)]);
  return builder.emit('Mul', [half, shifted])[0];
}
