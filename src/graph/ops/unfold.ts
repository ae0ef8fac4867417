import type { Tensor } from '../ir.js';
import { onnxIntegers } from '../onnx-lowering.js';
import { f32, type Operation } from '../operation.js';
import {
  forEachTap,
  type WindowAttributes,
  type WindowOptions,
  windowAttributes,
  windowSizes,
} from '../sliding-window.js';
import { onnxPadding } from './conv2d.js';

type UnfoldAttributes = WindowAttributes & { kernelH: number; kernelW: number };

/**
 * Every window of x as a row: x (B, H, W, C) → y (B, H', W', kernelH·kernelW·C), 0 outside x. conv2d(x, w) is linear(unfold(x), w):
 * so a convolution is computed with int8 weights. No gradient: conv2d has its own.
 */
export const unfoldOperation: Operation<UnfoldAttributes> = {
  name: 'unfold',
  operands: ['x'],
  results: ['y'],
  infer([x], attrs) {
    const s = windowSizes('unfold', x, [attrs.kernelH, attrs.kernelW], attrs);
    return [f32([s.batch, s.outHeight, s.outWidth, s.patch])];
  },
  reference([x], attrs, [y]) {
    const s = windowSizes('unfold', x, [attrs.kernelH, attrs.kernelW], attrs);
    y.data.fill(0);
    forEachTap(s, (row, tap, from) => {
      y.data.set(x.data.subarray(from, from + s.channels), row * s.patch + tap * s.channels);
    });
  },
  /** One strided slice a tap, side by side. */
  onnx(builder, { inputs: [x], attrs }, [name]) {
    const s = windowSizes('unfold', x, [attrs.kernelH, attrs.kernelW], attrs);
    const padded = onnxPadding(builder, name, attrs);
    const axes = onnxIntegers(builder, 'axes', [1, 2]);
    const strides = onnxIntegers(builder, 'strides', [s.strideH, s.strideW]);
    const taps: string[] = [];
    for (let i = 0; i < s.kernelH; i++) {
      for (let j = 0; j < s.kernelW; j++) {
        const start = [i * s.dilationH, j * s.dilationW];
        const end = [start[0] + (s.outHeight - 1) * s.strideH + 1, start[1] + (s.outWidth - 1) * s.strideW + 1];
        const bounds = [onnxIntegers(builder, 'start', start), onnxIntegers(builder, 'end', end)];
        taps.push(builder.emit('Slice', [padded, ...bounds, axes, strides])[0]);
      }
    }
    return builder.emit('Concat', taps, { axis: 3 });
  },
  flops: () => 0,
};

/** @param kernel [height, width] of the window. */
export function unfold(x: Tensor, kernel: readonly [number, number], options: WindowOptions = {}): Tensor {
  const [kernelH, kernelW] = kernel;
  return x.graph.apply(unfoldOperation, [x], { ...windowAttributes('unfold', options), kernelH, kernelW })[0];
}

/** The same with the attributes of a convolution. */
export function unfoldWindows(x: Tensor, attrs: UnfoldAttributes): Tensor {
  return x.graph.apply(unfoldOperation, [x], attrs)[0];
}
