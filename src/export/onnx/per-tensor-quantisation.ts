import type { Activation } from '../../graph/index.js';
import { onnxEpilogue } from '../../graph/ops/linear.js';
import type { OnnxRule } from './export-graph.js';
import { OnnxDType } from './schema.js';

/**
 * qlinear as `onnxruntime.quantization.quantize_dynamic` writes it: DynamicQuantizeLinear takes one asymmetric uint8 scale
 * for all rows of all windows, and ONNX Runtime fuses the five operators into DynamicQuantizeMatMul.
 *
 * The fastest int8 form that ONNX Runtime has, and so the rival to be measured against; flashbook's own artefacts do not use it:
 * a window's prediction then depends on the windows beside it, and one large value coarsens all rows.
 */
export const perTensorActivations: OnnxRule = (builder, { attrs }, [x, wq, wscale, bias, residual]) => {
  const [q, scale, zeroPoint] = builder.emit('DynamicQuantizeLinear', [x], {}, 3);
  const [weights] = builder.emit('Transpose', [wq], { perm: [1, 0] });
  const [integers] = builder.emit('MatMulInteger', [q, weights, zeroPoint]);
  const [sums] = builder.emit('Cast', [integers], { to: OnnxDType.f32 });
  const [scales] = builder.emit('Mul', [scale, wscale]);
  const [product] = builder.emit('Mul', [sums, scales]);
  return [onnxEpilogue(builder, product, attrs.activation as Activation, bias, residual)];
};
