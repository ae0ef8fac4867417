import { checkPrecision, operandData } from '../bf16.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation, type Shape } from '../operation.js';
import { expectShape } from '../shape.js';
import { forEachTap } from '../sliding-window.js';
import { type ConvolutionAttributes, convolutionSizes } from './conv2d.js';

type Attributes = ConvolutionAttributes & { height: number; width: number };

/**
 * The gradient of conv2d with respect to x: every window's dy·weight, added where the window lay.
 * dy (B, H', W', O), weight (O, KH, KW, C) → dx (B, height, width, C). precision as conv2d has it.
 */
export const conv2dGradInputOperation: Operation<Attributes> = {
  name: 'conv2d_grad_input',
  operands: ['dy', 'weight'],
  results: ['dx'],
  infer([dy, weight], attrs) {
    checkPrecision('conv2d_grad_input', attrs.precision);
    const dx = f32([dy.shape[0], attrs.height, attrs.width, weight.shape[3]]);
    const s = convolutionSizes('conv2d_grad_input', dx, weight, attrs);
    expectShape('conv2d_grad_input', 'dy', dy, [s.batch, s.outHeight, s.outWidth, weight.shape[0]], "conv2d's result");
    return [dx];
  },
  reference([dy, weight], attrs, [dx]) {
    const s = convolutionSizes('conv2d_grad_input', dx, weight, attrs);
    const outputs = weight.shape[0];
    const [taps, slopes] = [operandData(weight.data, attrs.precision), operandData(dy.data, attrs.precision)];
    dx.data.fill(0);
    forEachTap(s, (row, tap, from) => {
      for (let o = 0; o < outputs; o++) {
        for (let c = 0; c < s.channels; c++) {
          dx.data[from + c] += taps[o * s.patch + tap * s.channels + c] * slopes[row * outputs + o];
        }
      }
    });
  },
  flops: ([dy, weight]) => 2 * dy.shape.slice(0, 3).reduce((a, b) => a * b) * weight.shape.reduce((a, b) => a * b),
};

export function conv2dGradInput(dy: Tensor, weight: Tensor, shape: Shape, attrs: ConvolutionAttributes): Tensor {
  const [, height, width] = shape;
  return dy.graph.apply(conv2dGradInputOperation, [dy, weight], { ...attrs, height, width })[0];
}
