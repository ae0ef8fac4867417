import { checkOptions } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { onnxScalar } from '../onnx-lowering.js';
import { columns, elements, f32, type Operation } from '../operation.js';
import { expectChannels } from './batch-norm.js';

/**
 * y = (x − mean)/√(variance + eps)·gamma + beta with statistics that are given: batch normalisation in prediction.
 * x (…, C), gamma, beta, mean, variance (C) → y (…, C). No gradient: batch_norm is the form of training.
 */
export const batchNormFrozenOperation: Operation<{ eps: number }> = {
  name: 'batch_norm_frozen',
  operands: ['x', 'gamma', 'beta', 'mean', 'variance'],
  results: ['y'],
  infer([x, gamma, beta, mean, variance], { eps }) {
    expectChannels('batch_norm_frozen', x, { gamma, beta, mean, variance }, eps);
    return [f32(x.shape)];
  },
  reference([x, gamma, beta, mean, variance], { eps }, [y]) {
    const c = columns(x.shape);
    for (let i = 0; i < x.data.length; i++) {
      const j = i % c;
      y.data[i] = ((x.data[i] - mean.data[j]) / Math.sqrt(variance.data[j] + eps)) * gamma.data[j] + beta.data[j];
    }
  },
  onnx(builder, { attrs: { eps } }, [x, gamma, beta, mean, variance]) {
    const [shifted] = builder.emit('Add', [variance, onnxScalar(builder, 'eps', eps)]);
    const [deviation] = builder.emit('Sqrt', [shifted]);
    const [factor] = builder.emit('Div', [gamma, deviation]);
    const [centred] = builder.emit('Sub', [x, mean]);
    const [scaled] = builder.emit('Mul', [centred, factor]);
    return builder.emit('Add', [scaled, beta]);
  },
  inPlace: () => [0],
  flops: ([x]) => 3 * elements(x.shape),
};

/** @param options eps defaults to 1e-5. */
export function batchNormFrozen(
  x: Tensor,
  { gamma, beta, mean, variance }: { gamma: Tensor; beta: Tensor; mean: Tensor; variance: Tensor },
  options: { eps?: number } = {},
): Tensor {
  checkOptions('batchNormFrozen', options, ['eps']);
  const { eps = 1e-5 } = options;
  return x.graph.apply(batchNormFrozenOperation, [x, gamma, beta, mean, variance], { eps })[0];
}
