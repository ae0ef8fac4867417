import { checkOptions } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation, type Value } from '../operation.js';
import { shapeError } from '../shape.js';
import { dropoutOperation } from './dropout.js';

/**
 * Stochastic depth: each sample is dropped whole with probability p, else multiplied by 1/(1 − p) (Huang et al. 2016,
 * arXiv:1603.09382, in the inverted form of timm's DropPath, so that prediction needs no scaling).
 * x (B, …), rng uint32 (4) = [seed low, seed high, step, 0] → y (B, …).
 *
 * The factor of sample b is what dropout of the same p and stream makes of element b of a vector of ones. The gradient is the
 * same operation on dy. Training only, no ONNX form.
 */
export const dropPathOperation: Operation<{ p: number; stream: number }> = {
  name: 'drop_path',
  operands: ['x', 'rng:u32'],
  results: ['y'],
  infer([x, rng], attrs) {
    dropoutOperation.infer([x, rng], attrs);
    if (x.shape.length === 0) throw shapeError('drop_path', 'x', 'at least one dimension (B, …)', x.shape);
    return [f32(x.shape)];
  },
  reference([x, rng], attrs, [y]) {
    const samples = x.shape[0];
    const size = elements(x.shape) / samples;
    const ones: Value = { shape: [samples], dtype: 'f32', data: new Float64Array(samples).fill(1) };
    const factors: Value = { ...ones, data: new Float64Array(samples) };
    dropoutOperation.reference([ones, rng], attrs, [factors]);
    for (let i = 0; i < y.data.length; i++) {
      const factor = factors.data[Math.floor(i / size)];
      y.data[i] = factor === 0 ? 0 : x.data[i] * factor;
    }
  },
  gradient: ({ inputs: [, rng], attrs }, [dy]) => [dy?.graph.apply(dropPathOperation, [dy, rng], attrs)[0], undefined],
  inPlace: () => [0],
};

/** @param stream the default is one that no other random operation of the graph has. */
export function dropPath(x: Tensor, rng: Tensor, options: { p: number; stream?: number }): Tensor {
  checkOptions('dropPath', options, ['p', 'stream']);
  const { p, stream } = options;
  return x.graph.apply(dropPathOperation, [x, rng], { p, stream: stream ?? x.graph.nextStream() })[0];
}
