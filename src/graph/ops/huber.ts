import { checkOptions, finite } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';
import { huberGrad } from './huber-grad.js';

/**
 * The mean of h(y − target) with h(e) = e²/2 where |e| ≤ delta, else delta·(|e| − delta/2). Huber 1964, "Robust estimation of a
 * location parameter"; as PyTorch's HuberLoss. y (…), target (…) → loss (1). An element whose target is NaN is left out of
 * the mean; if all are, the loss is 0.
 *
 * Gradient with respect to y: huber_grad. Training only, no ONNX form.
 */
export const huberOperation: Operation<{ delta: number }> = {
  name: 'huber',
  operands: ['y', 'target'],
  results: ['loss'],
  infer([y, target], { delta }) {
    finite('delta of huber', delta, Number.MIN_VALUE);
    expectShape('huber', 'target', target, y.shape, 'that of y');
    return [f32([1])];
  },
  reference([y, target], { delta }, [loss]) {
    const limit = Math.fround(delta);
    let sum = 0;
    let counted = 0;
    for (let i = 0; i < y.data.length; i++) {
      if (Number.isNaN(target.data[i])) continue;
      const size = Math.abs(y.data[i] - target.data[i]);
      sum += size <= limit ? (size * size) / 2 : limit * (size - limit / 2);
      counted++;
    }
    loss.data[0] = counted === 0 ? 0 : sum / counted;
  },
  gradient: ({ inputs: [y, target], attrs }, [dLoss]) => [dLoss && huberGrad(dLoss, y, target, attrs), undefined],
  flops: ([y]) => 5 * elements(y.shape),
};

/** @param options delta defaults to 1. */
export function huber(y: Tensor, target: Tensor, options: { delta?: number } = {}): Tensor {
  checkOptions('huber', options, ['delta']);
  const { delta = 1 } = options;
  return y.graph.apply(huberOperation, [y, target], { delta })[0];
}
