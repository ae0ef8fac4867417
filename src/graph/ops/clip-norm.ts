import { finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { applyToList, listOperation } from './list-operation.js';

/**
 * Gradient clipping by global norm: norm = √Σ grad² over all tensors and coefficient = min(1, maxNorm/(norm + 1e-6)), as PyTorch's
 * clip_grad_norm_ (Pascanu et al. 2013, algorithm 1). maxNorm ≤ 0 does not clip: coefficient 1.
 * grad × n → coefficient (1), norm (1). A norm that is not finite gives a NaN coefficient, with which no update changes anything. No
 * gradient.
 */
export const clipNormOperation = listOperation<{ maxNorm: number }>({
  name: 'clip_norm',
  each: ['grad'],
  stored: [],
  extra: ['coefficient', 'norm'],
  check: ({ maxNorm }) => void finite('maxNorm of clip_norm', maxNorm),
  reference(tensors, _, { maxNorm }, __, [coefficient, norm]) {
    let squares = 0;
    for (const [grad] of tensors) for (const value of grad.data) squares += value * value;
    norm.data[0] = Math.sqrt(squares);
    const limit = maxNorm <= 0 ? 1 : Math.min(1, Math.fround(maxNorm) / (norm.data[0] + Math.fround(1e-6)));
    coefficient.data[0] = Number.isFinite(Math.fround(norm.data[0])) ? limit : Number.NaN;
  },
  flops: 2,
});

export function clipNorm(gradients: readonly Tensor[], maxNorm: number): { coefficient: Tensor; norm: Tensor } {
  const tensors = gradients.map((gradient) => [gradient]);
  const [coefficient, norm] = applyToList(clipNormOperation, tensors, [], { maxNorm });
  return { coefficient, norm };
}
