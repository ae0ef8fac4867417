import { FlashbookError } from '../../core/errors.js';
import { checkOptions, finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';
import { softmaxRow } from './softmax.js';
import { softmaxCrossEntropyGrad } from './softmax-cross-entropy-grad.js';

/**
 * The mean over the rows of −Σ t[c]·log softmax(logits)[c], with t = (1 − smoothing)·onehot(target) + smoothing/C.
 * logits (M, C), target int32 (M) → loss (1), probs (M, C). Label smoothing: Szegedy et al. 2016 (arXiv:1512.00567), as in
 * PyTorch. A row with target −1 is left out of the mean; if all are, the loss is 0.
 *
 * Gradient: softmax_cross_entropy_grad; the loss must not depend on probs.
 */
export const softmaxCrossEntropyOperation: Operation<{ smoothing: number }> = {
  name: 'softmax_cross_entropy',
  operands: ['logits', 'target:i32'],
  results: ['loss', 'probs'],
  infer([logits, target], { smoothing }) {
    finite('smoothing of softmax_cross_entropy', smoothing, 0, 1);
    expectRank('softmax_cross_entropy', 'logits', logits, 2, '(M, C)');
    expectShape('softmax_cross_entropy', 'target', target, [logits.shape[0]], 'one a row of logits');
    return [f32([1]), f32(logits.shape)];
  },
  reference([logits, target], { smoothing }, [loss, probs]) {
    const [m, c] = logits.shape;
    const epsilon = Math.fround(smoothing);
    let sum = 0;
    let counted = 0;
    for (let row = 0; row < m; row++) {
      const x = logits.data.subarray(row * c, (row + 1) * c);
      const lse = softmaxRow(x, probs.data.subarray(row * c, (row + 1) * c));
      const label = target.data[row];
      if (label < 0) continue;
      counted++;
      sum += (1 - epsilon) * (lse - x[label]);
      for (const logit of x) sum += (epsilon / c) * (lse - logit);
    }
    loss.data[0] = counted === 0 ? 0 : sum / counted;
  },
  gradient({ inputs: [, target], outputs: [, probs], attrs }, [dLoss, dProbs]) {
    if (dProbs !== undefined) {
      throw new FlashbookError(
        'OPTION',
        'softmax_cross_entropy: the loss must not depend on the result probs; use softmax',
      );
    }
    return [dLoss && softmaxCrossEntropyGrad(dLoss, probs, target, attrs), undefined];
  },
  flops: ([logits]) => 8 * elements(logits.shape),
};

export function softmaxCrossEntropy(
  logits: Tensor,
  target: Tensor,
  options: { smoothing?: number } = {},
): { loss: Tensor; probs: Tensor } {
  checkOptions('softmaxCrossEntropy', options, ['smoothing']);
  const { smoothing = 0 } = options;
  const [loss, probs] = logits.graph.apply(softmaxCrossEntropyOperation, [logits, target], { smoothing });
  return { loss, probs };
}
