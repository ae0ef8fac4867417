import { invalid } from '../../core/errors.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows, type TensorType } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';
import { pinballGrad } from './pinball-grad.js';

/**
 * The quantile loss: the mean over rows and quantiles of max(q·e, (q − 1)·e) with e = target − y. Koenker & Bassett 1978, "Regression
 * quantiles". y (M, Q), target (M), quantiles (Q) in 0 … 1 → loss (1). A row whose target is NaN is left out of the mean; if
 * all are, the loss is 0.
 *
 * Gradient with respect to y: pinball_grad. Training only, no ONNX form.
 */
export const pinballOperation: Operation<Record<string, never>> = {
  name: 'pinball',
  operands: ['y', 'target', 'quantiles'],
  results: ['loss'],
  infer([y, target, quantiles]) {
    expectPinball('pinball', y, target, quantiles);
    return [f32([1])];
  },
  reference([y, target, quantiles], _, [loss]) {
    const count = columns(y.shape);
    let sum = 0;
    let counted = 0;
    for (let row = 0; row < rows(y.shape); row++) {
      if (Number.isNaN(target.data[row])) continue;
      for (let j = 0; j < count; j++) {
        const error = target.data[row] - y.data[row * count + j];
        sum += Math.max(quantiles.data[j] * error, (quantiles.data[j] - 1) * error);
      }
      counted += count;
    }
    loss.data[0] = counted === 0 ? 0 : sum / counted;
  },
  gradient: ({ inputs: [y, target, quantiles] }, [dLoss]) => [dLoss && pinballGrad(dLoss, y, target, quantiles)],
  flops: ([y]) => 4 * elements(y.shape),
};

/** @param quantiles strictly between 0 and 1, one a column of y; they become a constant of the graph. */
export function pinball(y: Tensor, target: Tensor, quantiles: readonly number[]): Tensor {
  for (const q of quantiles) if (!(q > 0 && q < 1)) throw invalid('quantiles', 'numbers between 0 and 1', quantiles);
  const levels = y.graph.constant(`quantiles.${quantiles.join(',')}`, [quantiles.length], quantiles);
  return y.graph.apply(pinballOperation, [y, target, levels], {})[0];
}

export function expectPinball(operation: string, y: TensorType, target: TensorType, quantiles: TensorType): void {
  expectRank(operation, 'y', y, 2, '(M, Q)');
  expectShape(operation, 'target', target, [y.shape[0]], 'one a row of y');
  expectShape(operation, 'quantiles', quantiles, [y.shape[1]], 'one a column of y');
}
