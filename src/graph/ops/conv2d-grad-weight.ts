import { checkPrecision, operandData } from '../bf16.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation, type Shape } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';
import { forEachTap } from '../sliding-window.js';
import { type ConvolutionAttributes, convolutionSizes } from './conv2d.js';

type Attributes = ConvolutionAttributes & { kernelH: number; kernelW: number };

/**
 * The gradient of conv2d with respect to the weight: dyᵀ times all windows of x.
 * dy (B, H', W', O), x (B, H, W, C) → dweight (O, kernelH, kernelW, C). precision as conv2d has it.
 */
export const conv2dGradWeightOperation: Operation<Attributes> = {
  name: 'conv2d_grad_weight',
  operands: ['dy', 'x'],
  results: ['dweight'],
  infer([dy, x], attrs) {
    checkPrecision('conv2d_grad_weight', attrs.precision);
    expectRank('conv2d_grad_weight', 'dy', dy, 4, '(B, H, W, O)');
    const dWeight = f32([dy.shape[3], attrs.kernelH, attrs.kernelW, x.shape[3]]);
    const s = convolutionSizes('conv2d_grad_weight', x, dWeight, attrs);
    expectShape('conv2d_grad_weight', 'dy', dy, [s.batch, s.outHeight, s.outWidth, dy.shape[3]], "conv2d's result");
    return [dWeight];
  },
  reference([dy, x], attrs, [dWeight]) {
    const s = convolutionSizes('conv2d_grad_weight', x, dWeight, attrs);
    const outputs = dy.shape[3];
    const [slopes, image] = [operandData(dy.data, attrs.precision), operandData(x.data, attrs.precision)];
    dWeight.data.fill(0);
    forEachTap(s, (row, tap, from) => {
      for (let o = 0; o < outputs; o++) {
        for (let c = 0; c < s.channels; c++) {
          dWeight.data[o * s.patch + tap * s.channels + c] += slopes[row * outputs + o] * image[from + c];
        }
      }
    });
  },
  flops: ([dy], [dWeight]) => 2 * dy.shape.slice(0, 3).reduce((a, b) => a * b) * dWeight.shape.reduce((a, b) => a * b),
};

export function conv2dGradWeight(dy: Tensor, x: Tensor, shape: Shape, attrs: ConvolutionAttributes): Tensor {
  const [, kernelH, kernelW] = shape;
  return dy.graph.apply(conv2dGradWeightOperation, [dy, x], { ...attrs, kernelH, kernelW })[0];
}
