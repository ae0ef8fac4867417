import type { Activation } from '../../graph/index.js';
import { onnxEpilogue } from '../../graph/ops/linear.js';
import type { OnnxRule } from './export-graph.js';

/**
 * qlinear_static as `onnxruntime.quantization.quantize_static` writes it in QDQ format: QuantizeLinear and DequantizeLinear of the activations,
 * DequantizeLinear of the weights, and between them a float32 product, which ONNX Runtime (1.30) turns into its MatMulIntegerToFloat. A
 * bias that is added would make a Gemm of the product first, which it then computes in float32, three times as slow: the negated one is
 * subtracted.
 *
 * The rival to be measured against. It divides by the scale where flashbook's kernels multiply by its inverse, so that a level may be the one
 * beside; the operation's own rule gives the same levels to the bit.
 */
export const staticQdq: OnnxRule = (builder, { inputs, attrs }, [x, wq, wscale, bias, residual]) => {
  const scale = builder.constant('activation_scale', 'f32', [], [attrs.xScale as number]);
  const zero = builder.constant('zero_point', 'u8', [], [attrs.xZero as number]);
  const [levels] = builder.emit('QuantizeLinear', [x, scale, zero]);
  const [activations] = builder.emit('DequantizeLinear', [levels, scale, zero]);
  const [transposed] = builder.emit('Transpose', [wq], { perm: [1, 0] });
  const columns = inputs[1]!.shape[0];
  const zeros = builder.constant('weight_zero_point', 'i8', [columns], new Int8Array(columns));
  const [weights] = builder.emit('DequantizeLinear', [transposed, wscale, zeros], { axis: 1 });
  const [product] = builder.emit('MatMul', [activations, weights]);
  const sum = bias ? builder.emit('Sub', [product, builder.emit('Neg', [bias])[0]])[0] : product;
  return [onnxEpilogue(builder, sum, attrs.activation as Activation, '', residual)];
};
