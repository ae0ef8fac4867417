import type { Tensor } from '../ir.js';
import { f32, type Operation, type TensorType } from '../operation.js';
import {
  forEachTap,
  type WindowAttributes,
  type WindowOptions,
  type WindowSizes,
  windowAttributes,
  windowSizes,
} from '../sliding-window.js';
import { maxPool2dGrad } from './max-pool2d-grad.js';

export type PoolAttributes = WindowAttributes & { kernelH: number; kernelW: number };

/**
 * The largest value of each channel in every window: x (B, H, W, C) → y (B, H', W', C). What lies outside x does not count, NaN is
 * larger than everything. Gradient: max_pool2d_grad, to the first of the largest.
 */
export const maxPool2dOperation: Operation<PoolAttributes> = {
  name: 'max_pool2d',
  operands: ['x'],
  results: ['y'],
  infer([x], attrs) {
    const s = poolSizes('max_pool2d', x, attrs);
    return [f32([s.batch, s.outHeight, s.outWidth, s.channels])];
  },
  reference([x], attrs, [y]) {
    const s = poolSizes('max_pool2d', x, attrs);
    y.data.fill(Number.NEGATIVE_INFINITY);
    forEachTap(s, (row, _, from) => {
      for (let c = 0; c < s.channels; c++) {
        y.data[row * s.channels + c] = Math.max(y.data[row * s.channels + c], x.data[from + c]);
      }
    });
  },
  gradient: ({ inputs: [x], attrs }, [dy]) => [dy && maxPool2dGrad(dy, x, attrs)],
  onnx(builder, { attrs }, [x]) {
    const [image] = builder.emit('Transpose', [x], { perm: [0, 3, 1, 2] });
    const { kernelH, kernelW, strideH, strideW, dilationH, dilationW, top, bottom, left, right } = attrs;
    const [pooled] = builder.emit('MaxPool', [image], {
      kernel_shape: [kernelH, kernelW],
      strides: [strideH, strideW],
      dilations: [dilationH, dilationW],
      pads: [top, left, bottom, right],
    });
    return builder.emit('Transpose', [pooled], { perm: [0, 2, 3, 1] });
  },
  flops([x], _, attrs) {
    const s = poolSizes('max_pool2d', x, attrs);
    return s.rows * s.patch;
  },
};

/** @param kernel [height, width] of the window. */
export function maxPool2d(x: Tensor, kernel: readonly [number, number], options: WindowOptions = {}): Tensor {
  const [kernelH, kernelW] = kernel;
  return x.graph.apply(maxPool2dOperation, [x], { ...windowAttributes('maxPool2d', options), kernelH, kernelW })[0];
}

export function poolSizes(operation: string, x: TensorType, attrs: PoolAttributes): WindowSizes {
  return windowSizes(operation, x, [attrs.kernelH, attrs.kernelW], attrs);
}
