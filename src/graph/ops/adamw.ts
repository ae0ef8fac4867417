import { invalid } from '../../core/errors.js';
import { checkOptions, finite } from '../../core/options.js';
import { sourceName, type Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

/**
 * One AdamW step (Loshchilov & Hutter 2019, arXiv:1711.05101), in place in the state buffers of param, m and v.
 * hyper (8) = [lr, beta1, beta2, eps, 1 − beta1ᵗ, 1 − beta2ᵗ, 0, 0]; coefficient (1) scales the gradient (clipping).
 *
 *   g = coefficient·grad;  p ← p − lr·weightDecay·p;  m ← beta1·m + (1 − beta1)·g;  v ← beta2·v + (1 − beta2)·g²
 *   p ← p − lr · (m/hyper[4]) / (√(v/hyper[5]) + eps)
 */
export const adamwOperation: Operation<{ weightDecay: number }> = {
  name: 'adamw',
  operands: ['param', 'grad', 'm', 'v', 'hyper', 'coefficient'],
  results: ['param', 'm', 'v'],
  infer([param, grad, m, v, hyper, coefficient], { weightDecay }) {
    finite('weightDecay of adamw', weightDecay, 0);
    for (const [name, type] of Object.entries({ grad, m, v }))
      expectShape('adamw', name, type, param.shape, 'that of param');
    expectShape('adamw', 'hyper', hyper, [8], '[lr, beta1, beta2, eps, 1−beta1ᵗ, 1−beta2ᵗ, 0, 0]');
    expectShape('adamw', 'coefficient', coefficient, [1], 'a scalar');
    return [f32(param.shape), f32(param.shape), f32(param.shape)];
  },
  reference([param, grad, m, v, hyper, coefficient], { weightDecay }, [newParam, newM, newV]) {
    const [lr, beta1, beta2, eps, correction1, correction2] = hyper.data;
    for (let i = 0; i < param.data.length; i++) {
      const g = grad.data[i] * coefficient.data[0];
      const decayed = param.data[i] * (1 - lr * Math.fround(weightDecay));
      newM.data[i] = beta1 * m.data[i] + (1 - beta1) * g;
      newV.data[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
      newParam.data[i] = decayed - (lr * (newM.data[i] / correction1)) / (Math.sqrt(newV.data[i] / correction2) + eps);
    }
  },
  stores: [
    [0, 0],
    [1, 2],
    [2, 3],
  ],
  flops: ([param]) => 14 * elements(param.shape),
};

/** param, m and v are states of the graph; their updates are declared here. */
export function adamw(
  operands: { param: Tensor; grad: Tensor; m: Tensor; v: Tensor; hyper: Tensor; coefficient: Tensor },
  options: { weightDecay?: number } = {},
): { param: Tensor; m: Tensor; v: Tensor } {
  checkOptions('adamw', options, ['weightDecay']);
  const { weightDecay = 0 } = options;
  const { param, grad, m, v, hyper, coefficient } = operands;
  const graph = param.graph;
  const results = graph.apply(adamwOperation, [param, grad, m, v, hyper, coefficient], { weightDecay });
  for (const [result, tensor] of [param, m, v].entries()) {
    const name = sourceName(tensor);
    if (name === undefined || !graph.states.has(name)) throw invalid('adamw', 'states as param, m and v', tensor);
    graph.update(name, results[result]);
  }
  return { param: results[0], m: results[1], v: results[2] };
}
