import { FlashbookError } from '../../core/errors.js';
import { checkOptions, finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows, type TensorType } from '../operation.js';
import { expectColumns, expectShape } from '../shape.js';
import { batchNormGrad } from './batch-norm-grad.js';

/**
 * y = (x − μ)/√(σ² + eps)·gamma + beta with μ and the biased variance σ² of each column over all rows.
 * x (…, C), gamma (C), beta (C) → y (…, C), mean (C), variance (C). Ioffe & Szegedy 2015 (arXiv:1502.03167), algorithm 1.
 * The form of training; batch_norm_frozen is that of prediction.
 *
 * Gradient: batch_norm_grad; mean and variance are for running statistics and carry none.
 */
export const batchNormOperation: Operation<{ eps: number }> = {
  name: 'batch_norm',
  operands: ['x', 'gamma', 'beta'],
  results: ['y', 'mean', 'variance'],
  infer([x, gamma, beta], { eps }) {
    expectChannels('batch_norm', x, { gamma, beta }, eps);
    return [f32(x.shape), f32(gamma.shape), f32(gamma.shape)];
  },
  reference([x, gamma, beta], { eps }, [y, mean, variance]) {
    const c = columns(x.shape);
    const n = rows(x.shape);
    mean.data.fill(0);
    variance.data.fill(0);
    for (let i = 0; i < x.data.length; i++) mean.data[i % c] += x.data[i] / n;
    for (let i = 0; i < x.data.length; i++) variance.data[i % c] += (x.data[i] - mean.data[i % c]) ** 2 / n;
    for (let i = 0; i < x.data.length; i++) {
      const j = i % c;
      y.data[i] = ((x.data[i] - mean.data[j]) / Math.sqrt(variance.data[j] + eps)) * gamma.data[j] + beta.data[j];
    }
  },
  gradient({ inputs: [x, gamma], outputs: [, mean, variance], attrs }, [dy, dMean, dVariance]) {
    if (dMean !== undefined || dVariance !== undefined) {
      throw new FlashbookError('OPTION', 'batch_norm: the loss must not depend on the results mean and variance');
    }
    return dy === undefined ? [] : batchNormGrad(dy, x, gamma, mean, variance, attrs);
  },
  flops: ([x]) => 8 * elements(x.shape),
};

/** @param options eps defaults to 1e-5. */
export function batchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  options: { eps?: number } = {},
): { y: Tensor; mean: Tensor; variance: Tensor } {
  checkOptions('batchNorm', options, ['eps']);
  const { eps = 1e-5 } = options;
  const [y, mean, variance] = x.graph.apply(batchNormOperation, [x, gamma, beta], { eps });
  return { y, mean, variance };
}

/** Operands with one value a column of x. */
export function expectChannels(
  operation: string,
  x: TensorType,
  operands: Readonly<Record<string, TensorType>>,
  eps: number,
): void {
  finite(`eps of ${operation}`, eps, 0);
  for (const [name, type] of Object.entries(operands)) {
    expectColumns(operation, 'x', x, columns(type.shape), `as ${name}`);
    expectShape(operation, name, type, [columns(x.shape)], 'one a column of x');
  }
}
