import { checkOptions, finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { leakyReluGrad } from './leaky-relu-grad.js';

/**
 * y = x where x > 0, else slope · x, slope in 0 … 1 and rounded to float32; NaN stays NaN. Maas, Hannun & Ng 2013, "Rectifier
 * nonlinearities improve neural network acoustic models". Gradient: leaky_relu_grad(dy, y).
 */
export const leakyReluOperation: Operation<{ slope: number }> = {
  name: 'leaky_relu',
  operands: ['x'],
  results: ['y'],
  infer([x], { slope }) {
    finite('slope of leaky_relu', slope, 0, 1);
    return [f32(x.shape)];
  },
  reference([x], { slope }, [y]) {
    const rounded = Math.fround(slope);
    for (let i = 0; i < y.data.length; i++) y.data[i] = x.data[i] > 0 ? x.data[i] : rounded * x.data[i];
  },
  gradient: ({ outputs: [y], attrs }, [dy]) => [dy && leakyReluGrad(dy, y, attrs)],
  onnx: (builder, { attrs: { slope } }, [x]) => builder.emit('LeakyRelu', [x], { alpha: slope }),
  inPlace: () => [0],
};

/** @param options slope defaults to 0.01. */
export function leakyRelu(x: Tensor, options: { slope?: number } = {}): Tensor {
  checkOptions('leakyRelu', options, ['slope']);
  const { slope = 0.01 } = options;
  return x.graph.apply(leakyReluOperation, [x], { slope })[0];
}
