import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';

/**
 * dlogits = dloss · (probs − t)/n with t the smoothed target and n the number of rows whose target is not −1; those rows
 * have gradient 0. dloss (1), probs (M, C), target int32 (M) → dlogits (M, C).
 */
export const softmaxCrossEntropyGradOperation: Operation<{ smoothing: number }> = {
  name: 'softmax_cross_entropy_grad',
  operands: ['dloss', 'probs', 'target:i32'],
  results: ['dlogits'],
  infer([dLoss, probs, target]) {
    expectShape('softmax_cross_entropy_grad', 'dloss', dLoss, [1], 'a scalar');
    expectRank('softmax_cross_entropy_grad', 'probs', probs, 2, '(M, C)');
    expectShape('softmax_cross_entropy_grad', 'target', target, [probs.shape[0]], 'one a row of probs');
    return [f32(probs.shape)];
  },
  reference([dLoss, probs, target], { smoothing }, [dLogits]) {
    const [m, c] = probs.shape;
    const epsilon = Math.fround(smoothing);
    const counted = target.data.reduce((n, label) => n + (label < 0 ? 0 : 1), 0);
    for (let row = 0; row < m; row++) {
      const label = target.data[row];
      for (let j = 0; j < c; j++) {
        const wanted = (label === j ? 1 - epsilon : 0) + epsilon / c;
        dLogits.data[row * c + j] = label < 0 ? 0 : (dLoss.data[0] * (probs.data[row * c + j] - wanted)) / counted;
      }
    }
  },
  flops: ([, probs]) => 3 * elements(probs.shape),
};

export function softmaxCrossEntropyGrad(
  dLoss: Tensor,
  probs: Tensor,
  target: Tensor,
  attrs: { smoothing: number },
): Tensor {
  return probs.graph.apply(softmaxCrossEntropyGradOperation, [dLoss, probs, target], attrs)[0];
}
