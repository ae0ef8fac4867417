import { finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

/**
 * Gradient clipping by global norm: from the squared norms of the parts, norm = √Σ and coefficient =
 * min(1, maxNorm/(norm + 1e-6)), as PyTorch's clip_grad_norm_. maxNorm ≤ 0 does not clip: coefficient 1.
 * n × (1) → coefficient (1), norm (1). A NaN norm gives a NaN coefficient. No gradient.
 */
export const clipCoefficientOperation: Operation<{ maxNorm: number }> = {
  name: 'clip_coefficient',
  operands: ['squares…'],
  results: ['coefficient', 'norm'],
  infer(inputs, { maxNorm }) {
    finite('maxNorm of clip_coefficient', maxNorm);
    for (const [i, x] of inputs.entries()) expectShape('clip_coefficient', `squares${i}`, x, [1], 'a scalar');
    return [f32([1]), f32([1])];
  },
  reference(inputs, { maxNorm }, [coefficient, norm]) {
    norm.data[0] = Math.sqrt(inputs.reduce((sum, x) => sum + x.data[0], 0));
    coefficient.data[0] = maxNorm <= 0 ? 1 : Math.min(1, Math.fround(maxNorm) / (norm.data[0] + Math.fround(1e-6)));
  },
  flops: (inputs) => inputs.length + 4,
};

export function clipCoefficient(squares: readonly Tensor[], maxNorm: number): { coefficient: Tensor; norm: Tensor } {
  const [coefficient, norm] = squares[0].graph.apply(clipCoefficientOperation, squares, { maxNorm });
  return { coefficient, norm };
}
