import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows } from '../operation.js';
import { expectColumns, expectShape } from '../shape.js';

/**
 * The gradient of layer_norm. With x̂ = (x − mean)·rstd and g = dy∘gamma:
 *   dx = rstd · (g − mean(g) − x̂·mean(g∘x̂)) row by row,  dgamma = Σ rows of dy∘x̂,  dbeta = Σ rows of dy.
 * A residual (the shape of dx) is added to dx: the gradient that comes past the layer. It may be absent; fuseNormGrad puts it there.
 */
export const layerNormGradOperation: Operation<Record<string, never>> = {
  name: 'layer_norm_grad',
  operands: ['dy', 'x', 'gamma', 'mean', 'rstd', 'residual?'],
  results: ['dx', 'dgamma', 'dbeta'],
  infer([dy, x, gamma, mean, rstd, residual]) {
    expectShape('layer_norm_grad', 'x', x, dy.shape, 'that of dy');
    expectColumns('layer_norm_grad', 'gamma', gamma, columns(x.shape), 'one a column of x');
    const leading = x.shape.length === 1 ? [1] : x.shape.slice(0, -1);
    expectShape('layer_norm_grad', 'mean', mean, leading, 'one a row of x');
    expectShape('layer_norm_grad', 'rstd', rstd, leading, 'one a row of x');
    if (residual !== undefined) expectShape('layer_norm_grad', 'residual', residual, x.shape, 'that of dx');
    return [f32(x.shape), f32(gamma.shape), f32(gamma.shape)];
  },
  reference([dy, x, gamma, mean, rstd, residual], _, [dx, dgamma, dbeta]) {
    const d = columns(x.shape);
    dgamma.data.fill(0);
    dbeta.data.fill(0);
    for (let row = 0; row < rows(x.shape); row++) {
      const normalised = (i: number) => (x.data[row * d + i] - mean.data[row]) * rstd.data[row];
      let meanG = 0;
      let meanGX = 0;
      for (let i = 0; i < d; i++) {
        const dyi = dy.data[row * d + i];
        dgamma.data[i] += dyi * normalised(i);
        dbeta.data[i] += dyi;
        meanG += (dyi * gamma.data[i]) / d;
        meanGX += (dyi * gamma.data[i] * normalised(i)) / d;
      }
      for (let i = 0; i < d; i++) {
        const g = dy.data[row * d + i] * gamma.data[i];
        const value = rstd.data[row] * (g - meanG - normalised(i) * meanGX);
        dx.data[row * d + i] = residual === undefined ? value : value + residual.data[row * d + i];
      }
    }
  },
  inPlace: (inputs) => (inputs.length > 5 && inputs[5] !== undefined ? [5, 0] : [0]),
  flops: ([dy]) => 14 * elements(dy.shape),
};

export function layerNormGrad(dy: Tensor, x: Tensor, gamma: Tensor, mean: Tensor, rstd: Tensor): Tensor[] {
  return dy.graph.apply(layerNormGradOperation, [dy, x, gamma, mean, rstd], {});
}
