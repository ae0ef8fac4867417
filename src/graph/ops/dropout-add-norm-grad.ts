import { elements, type Operation } from '../operation.js';
import { dropoutOperation } from './dropout.js';
import { layerNormGradOperation } from './layer-norm-grad.js';
import { sumRowsOperation } from './sum-rows.js';

/**
 * The gradient at a residual connection sum = dropout(x) + residual that a layer norm follows, given dy of the norm and `past`, the gradient
 * that comes past it:
 *   (dresidual, dgamma, dbeta) = layer_norm_grad(dy, sum, gamma, mean, rstd, past),  dx = dropout(dresidual),  dbias = Σ rows of dx.
 * dbias is the gradient of a bias of the linear layer that made x. What fuseResidualGrad makes of a training graph.
 */
export const dropoutAddNormGradOperation: Operation<{ p: number; stream: number }> = {
  name: 'dropout_add_norm_grad',
  operands: ['dy', 'sum', 'gamma', 'mean', 'rstd', 'past', 'rng:u32'],
  results: ['dresidual', 'dgamma', 'dbeta', 'dx', 'dbias'],
  infer([dy, sum, gamma, mean, rstd, past, rng], attrs) {
    const [dresidual, dgamma, dbeta] = layerNormGradOperation.infer([dy, sum, gamma, mean, rstd, past], {});
    return [dresidual, dgamma, dbeta, ...dropoutOperation.infer([dresidual, rng], attrs), dgamma];
  },
  reference([dy, sum, gamma, mean, rstd, past, rng], attrs, [dresidual, dgamma, dbeta, dx, dbias]) {
    layerNormGradOperation.reference([dy, sum, gamma, mean, rstd, past], {}, [dresidual, dgamma, dbeta]);
    dropoutOperation.reference([dresidual, rng], attrs, [dx]);
    sumRowsOperation.reference([dx], {}, [dbias]);
  },
  inPlace: () => [5, 0],
  flops: ([dy]) => 26 * elements(dy.shape),
};
