import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { expectShape } from '../shape.js';
import { expectChannels } from './batch-norm.js';

/**
 * The gradient of batch_norm. With r = 1/√(variance + eps) and x̂ = (x − mean)·r, sums and means over all rows of a column:
 *   dbeta = Σ dy,  dgamma = Σ dy∘x̂,  dx = gamma·r·(dy − mean(dy) − x̂·mean(dy∘x̂)).
 */
export const batchNormGradOperation: Operation<{ eps: number }> = {
  name: 'batch_norm_grad',
  operands: ['dy', 'x', 'gamma', 'mean', 'variance'],
  results: ['dx', 'dgamma', 'dbeta'],
  infer([dy, x, gamma, mean, variance], { eps }) {
    expectShape('batch_norm_grad', 'dy', dy, x.shape, 'that of x');
    expectChannels('batch_norm_grad', x, { gamma, mean, variance }, eps);
    return [f32(x.shape), f32(gamma.shape), f32(gamma.shape)];
  },
  reference([dy, x, gamma, mean, variance], { eps }, [dx, dgamma, dbeta]) {
    const c = columns(x.shape);
    const n = rows(x.shape);
    const r = variance.data.map((v) => 1 / Math.sqrt(v + eps));
    const normalised = (i: number) => (x.data[i] - mean.data[i % c]) * r[i % c];
    dgamma.data.fill(0);
    dbeta.data.fill(0);
    for (let i = 0; i < dy.data.length; i++) {
      dgamma.data[i % c] += dy.data[i] * normalised(i);
      dbeta.data[i % c] += dy.data[i];
    }
    for (let i = 0; i < dy.data.length; i++) {
      const j = i % c;
      const centred = dy.data[i] - dbeta.data[j] / n - (normalised(i) * dgamma.data[j]) / n;
      dx.data[i] = gamma.data[j] * r[j] * centred;
    }
  },
  flops: ([dy]) => 14 * elements(dy.shape),
};

export function batchNormGrad(
  dy: Tensor,
  x: Tensor,
  gamma: Tensor,
  mean: Tensor,
  variance: Tensor,
  attrs: { eps: number },
): Tensor[] {
  return dy.graph.apply(batchNormGradOperation, [dy, x, gamma, mean, variance], attrs);
}
