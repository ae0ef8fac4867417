import { FlashbookError } from '../../core/errors.js';
import { checkOptions, finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { expectColumns, expectShape } from '../shape.js';
import { layerNormGrad } from './layer-norm-grad.js';

/**
 * y = (x − μ)·r·gamma + beta with μ the row's mean, r = 1/√(σ² + eps) and σ² the biased variance, computed in two passes.
 * x (…, D), gamma (D), beta (D) → y (…, D), mean μ (…), rstd r (…). Ba, Kiros & Hinton 2016 (arXiv:1607.06450).
 *
 * Gradient: layer_norm_grad; mean and rstd are for it alone and carry none.
 */
export const layerNormOperation: Operation<{ eps: number }> = {
  name: 'layer_norm',
  operands: ['x', 'gamma', 'beta'],
  results: ['y', 'mean', 'rstd'],
  infer([x, gamma, beta], { eps }) {
    finite('eps of layer_norm', eps, 0);
    expectColumns('layer_norm', 'x', x, columns(gamma.shape), 'as gamma');
    expectShape('layer_norm', 'gamma', gamma, [columns(x.shape)], 'one a column of x');
    expectShape('layer_norm', 'beta', beta, gamma.shape, 'that of gamma');
    const leading = x.shape.length === 1 ? [1] : x.shape.slice(0, -1);
    return [f32(x.shape), f32(leading), f32(leading)];
  },
  reference([x, gamma, beta], { eps }, [y, mean, rstd]) {
    const d = columns(x.shape);
    for (let row = 0; row < rows(x.shape); row++) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += x.data[row * d + i];
      const mu = sum / d;
      let squares = 0;
      for (let i = 0; i < d; i++) squares += (x.data[row * d + i] - mu) ** 2;
      const r = 1 / Math.sqrt(squares / d + eps);
      for (let i = 0; i < d; i++) y.data[row * d + i] = (x.data[row * d + i] - mu) * r * gamma.data[i] + beta.data[i];
      mean.data[row] = mu;
      rstd.data[row] = r;
    }
  },
  gradient({ inputs: [x, gamma], outputs: [, mean, rstd] }, [dy, dMean, dRstd]) {
    if (dMean !== undefined || dRstd !== undefined) {
      throw new FlashbookError('OPTION', 'layer_norm: the loss must not depend on the results mean and rstd');
    }
    return dy === undefined ? [] : layerNormGrad(dy, x, gamma, mean, rstd);
  },
  onnx: (builder, { attrs: { eps } }, [x, gamma, beta]) => [
    ...builder.emit('LayerNormalization', [x, gamma, beta], { axis: -1, epsilon: eps }),
    '',
    '',
  ],
  flops: ([x]) => 8 * elements(x.shape),
};

export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, options: { eps?: number } = {}): Tensor {
  checkOptions('layerNorm', options, ['eps']);
  const { eps = 1e-5 } = options;
  return x.graph.apply(layerNormOperation, [x, gamma, beta], { eps })[0];
}
