import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';

/**
 * The gradient of soft_cross_entropy. With Q = Σ q over all rows and, in a row,
 *
 *   g[c] = q[c]·(gamma·p[c]·(1 − p[c])^(gamma − 1)·log p[c] − (1 − p[c])^gamma)
 *   dlogits[j] = dloss/Q · (g[j] − p[j]·Σ g[c])
 *
 * dloss (1), probs p (M, C), target q (M, C) → dlogits (M, C); zeros where Q is 0.
 */
export const softCrossEntropyGradOperation: Operation<{ gamma: number }> = {
  name: 'soft_cross_entropy_grad',
  operands: ['dloss', 'probs', 'target'],
  results: ['dlogits'],
  infer([dLoss, probs, target]) {
    expectShape('soft_cross_entropy_grad', 'dloss', dLoss, [1], 'a scalar');
    expectRank('soft_cross_entropy_grad', 'probs', probs, 2, '(M, C)');
    expectShape('soft_cross_entropy_grad', 'target', target, probs.shape, 'that of probs');
    return [f32(probs.shape)];
  },
  reference([dLoss, probs, target], { gamma }, [dLogits]) {
    const [m, c] = probs.shape;
    const mass = target.data.reduce((sum, q) => sum + q, 0);
    const factor = mass === 0 ? 0 : dLoss.data[0] / mass;
    for (let row = 0; row < m; row++) {
      const p = probs.data.subarray(row * c, (row + 1) * c);
      const g = p.map((pc, j) => target.data[row * c + j] * focalSlope(pc, Math.fround(gamma)));
      const sum = g.reduce((a, b) => a + b, 0);
      for (let j = 0; j < c; j++) dLogits.data[row * c + j] = factor * (g[j] - p[j] * sum);
    }
  },
  flops: ([, probs]) => 12 * elements(probs.shape),
};

/** p·d/dp of −(1 − p)^γ·log p, negated; its limits at p = 0 and p = 1. */
function focalSlope(p: number, gamma: number): number {
  if (gamma === 0) return -1;
  if (p === 0) return -1;
  const rest = 1 - p;
  return rest === 0 ? 0 : gamma * p * rest ** (gamma - 1) * Math.log(p) - rest ** gamma;
}

export function softCrossEntropyGrad(dLoss: Tensor, probs: Tensor, target: Tensor, attrs: { gamma: number }): Tensor {
  return probs.graph.apply(softCrossEntropyGradOperation, [dLoss, probs, target], attrs)[0];
}
