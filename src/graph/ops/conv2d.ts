import { checkOptions, integer } from '../../core/options.js';
import { checkPrecision, operandData, type Precision, precisionAttribute } from '../bf16.js';
import type { Tensor } from '../ir.js';
import type { OnnxBuilder } from '../onnx-lowering.js';
import { f32, type Operation, type TensorType } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';
import {
  forEachTap,
  type WindowAttributes,
  type WindowOptions,
  type WindowSizes,
  windowAttributes,
  windowSizes,
} from '../sliding-window.js';
import { conv2dGradInput } from './conv2d-grad-input.js';
import { conv2dGradWeight } from './conv2d-grad-weight.js';
import { reshape } from './reshape.js';
import { reduceTo } from './sum-rows.js';

export type ConvolutionAttributes = WindowAttributes & { precision?: Precision };

/**
 * Two-dimensional convolution (cross-correlation, as everywhere in deep learning), channels last:
 *   y[b, h, w, o] = bias[o] + Σ_{i,j,c} weight[o, i, j, c] · x[b, h·strideH + i·dilationH − top, w·strideW + j·dilationW − left, c]
 * x (B, H, W, C), weight (O, KH, KW, C), bias (O) or absent → y (B, H', W', O); x is 0 outside.
 * H' = ⌊(H + top + bottom − dilationH·(KH − 1) − 1)/strideH⌋ + 1, W' likewise.
 *
 * Gradient: conv2d_grad_input, conv2d_grad_weight, the sum of dy's rows.
 *
 * With precision 'bf16' x and weight are rounded to bf16 before they are multiplied, and so are dy, weight and x in the gradient. ONNX
 * gets the float32 form.
 */
export const conv2dOperation: Operation<ConvolutionAttributes> = {
  name: 'conv2d',
  operands: ['x', 'weight', 'bias?'],
  results: ['y'],
  infer([x, weight, bias], attrs) {
    checkPrecision('conv2d', attrs.precision);
    const s = convolutionSizes('conv2d', x, weight, attrs);
    if (bias !== undefined) expectShape('conv2d', 'bias', bias, [weight.shape[0]], 'one an output channel');
    return [f32([s.batch, s.outHeight, s.outWidth, weight.shape[0]])];
  },
  reference([x, weight, bias], attrs, [y]) {
    const s = convolutionSizes('conv2d', x, weight, attrs);
    const outputs = weight.shape[0];
    const [taps, image] = [operandData(weight.data, attrs.precision), operandData(x.data, attrs.precision)];
    for (let i = 0; i < y.data.length; i++) y.data[i] = bias === undefined ? 0 : bias.data[i % outputs];
    forEachTap(s, (row, tap, from) => {
      for (let o = 0; o < outputs; o++) {
        for (let c = 0; c < s.channels; c++) {
          y.data[row * outputs + o] += taps[o * s.patch + tap * s.channels + c] * image[from + c];
        }
      }
    });
  },
  gradient({ inputs: [x, weight, bias], attrs }, [dy], needed) {
    if (dy === undefined) return [];
    return [
      needed[0] ? conv2dGradInput(dy, weight, x.shape, attrs) : undefined,
      needed[1] ? conv2dGradWeight(dy, x, weight.shape, attrs) : undefined,
      bias && needed[2] ? reduceTo(dy, bias.shape) : undefined,
    ];
  },
  onnx(builder, { inputs: [, w], attrs }, [x, weight, bias]) {
    const [image] = builder.emit('Transpose', [x], { perm: [0, 3, 1, 2] });
    const [kernel] = builder.emit('Transpose', [weight], { perm: [0, 3, 1, 2] });
    const { strideH, strideW, dilationH, dilationW, top, bottom, left, right } = attrs;
    const [product] = builder.emit('Conv', bias ? [image, kernel, bias] : [image, kernel], {
      kernel_shape: w.shape.slice(1, 3),
      strides: [strideH, strideW],
      dilations: [dilationH, dilationW],
      pads: [top, left, bottom, right],
    });
    return builder.emit('Transpose', [product], { perm: [0, 2, 3, 1] });
  },
  flops([x, weight], _, attrs) {
    const s = convolutionSizes('conv2d', x, weight, attrs);
    return 2 * s.rows * s.patch * weight.shape[0];
  },
};

export interface ConvolutionOptions extends WindowOptions {
  /** Default 'f32'. */
  precision?: Precision;
}

/** @param bias may be undefined. */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { precision, ...window }: ConvolutionOptions = {},
): Tensor {
  const attrs = { ...windowAttributes('conv2d', window), ...precisionAttribute(precision) };
  return x.graph.apply(conv2dOperation, [x, weight, bias], attrs)[0];
}

export interface Conv1dOptions {
  stride?: number;
  dilation?: number;
  /** Zeros before and after: [K − 1 dilations, 0] makes it causal. One number is both. */
  padding?: number | readonly [number, number];
}

/** The same along one axis, channels last: x (B, T, C), weight (O, 1, K, C), bias (O) or absent → (B, T', O). */
export function conv1d(x: Tensor, weight: Tensor, bias?: Tensor, options: Conv1dOptions = {}): Tensor {
  checkOptions('conv1d', options, ['stride', 'dilation', 'padding']);
  const { stride = 1, dilation = 1, padding = 0 } = options;
  expectRank('conv1d', 'x', x, 3, '(B, T, C)');
  const [batch, steps, channels] = x.shape;
  const [before, after] = typeof padding === 'number' ? [padding, padding] : padding;
  const y = conv2d(reshape(x, [batch, 1, steps, channels]), weight, bias, {
    stride: [1, integer('stride of conv1d', stride, 1)],
    dilation: [1, integer('dilation of conv1d', dilation, 1)],
    padding: [0, 0, before, after],
  });
  return reshape(y, [batch, y.shape[2], y.shape[3]]);
}

/** The window of a convolution, with its weight (O, KH, KW, C) checked. */
export function convolutionSizes(
  operation: string,
  x: TensorType,
  weight: TensorType,
  attrs: WindowAttributes,
): WindowSizes {
  expectRank(operation, 'weight', weight, 4, '(O, KH, KW, C)');
  const [outputs, kernelH, kernelW] = weight.shape;
  const s = windowSizes(operation, x, [kernelH, kernelW], attrs);
  expectShape(operation, 'weight', weight, [outputs, kernelH, kernelW, s.channels], 'as many channels as x');
  return s;
}

/** What the rules of unfold and max_pool2d emit for zeros around an image whose channels are last. */
export function onnxPadding(builder: OnnxBuilder, x: string, { top, bottom, left, right }: WindowAttributes): string {
  if (top + bottom + left + right === 0) return x;
  const pads = builder.constant('pads', 'i64', [8], [0, top, left, 0, 0, bottom, right, 0]);
  return builder.emit('Pad', [x, pads])[0];
}
