import { FlashbookError } from '../../core/errors.js';
import { checkOptions, finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';
import { softCrossEntropyGrad } from './soft-cross-entropy-grad.js';
import { softmaxRow } from './softmax.js';

/**
 * Cross-entropy and focal loss against weighted soft targets: with p = softmax(logits), over all rows,
 *
 *   loss = −Σ q[c]·(1 − p[c])^gamma·log p[c] / Σ q[c]
 *
 * logits (M, C), target q (M, C) ≥ 0 → loss (1), probs (M, C). Rows of q need not add up to 1: smoothed labels, mixtures of
 * labels, rows or classes that weigh more. A row of zeros is left out; where all are, the loss is 0.
 * Source of the factor: Lin et al. 2017, "Focal Loss for Dense Object Detection", eq. 5 (α is part of q); gamma 0 is cross-entropy.
 *
 * Gradient: soft_cross_entropy_grad; the loss must not depend on probs. Training only, no ONNX form.
 */
export const softCrossEntropyOperation: Operation<{ gamma: number }> = {
  name: 'soft_cross_entropy',
  operands: ['logits', 'target'],
  results: ['loss', 'probs'],
  infer([logits, target], { gamma }) {
    finite('gamma of soft_cross_entropy', gamma, 0);
    expectRank('soft_cross_entropy', 'logits', logits, 2, '(M, C)');
    expectShape('soft_cross_entropy', 'target', target, logits.shape, 'that of logits');
    return [f32([1]), f32(logits.shape)];
  },
  reference([logits, target], { gamma }, [loss, probs]) {
    const [m, c] = logits.shape;
    let sum = 0;
    let mass = 0;
    for (let row = 0; row < m; row++) {
      const x = logits.data.subarray(row * c, (row + 1) * c);
      const p = probs.data.subarray(row * c, (row + 1) * c);
      const lse = softmaxRow(x, p);
      for (let j = 0; j < c; j++) {
        const q = target.data[row * c + j];
        if (q === 0) continue;
        mass += q;
        sum -= q * (1 - p[j]) ** Math.fround(gamma) * (x[j] - lse);
      }
    }
    loss.data[0] = mass === 0 ? 0 : sum / mass;
  },
  gradient({ inputs: [, target], outputs: [, probs], attrs }, [dLoss, dProbs]) {
    if (dProbs !== undefined) {
      throw new FlashbookError(
        'OPTION',
        'soft_cross_entropy: the loss must not depend on the result probs; use softmax',
      );
    }
    return [dLoss && softCrossEntropyGrad(dLoss, probs, target, attrs), undefined];
  },
  flops: ([logits]) => 12 * elements(logits.shape),
};

/** @param options gamma: how much less the rows count that are already right; 0 by default, 2 in the paper. */
export function softCrossEntropy(
  logits: Tensor,
  target: Tensor,
  options: { gamma?: number } = {},
): { loss: Tensor; probs: Tensor } {
  checkOptions('softCrossEntropy', options, ['gamma']);
  const { gamma = 0 } = options;
  const [loss, probs] = logits.graph.apply(softCrossEntropyOperation, [logits, target], { gamma });
  return { loss, probs };
}
