import { elements, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';
import { dropoutOperation } from './dropout.js';
import { geluGradOperation } from './gelu-grad.js';

/**
 * dx = dropout(dy)·gelu′(x): the gradient of gelu_dropout, which draws the same mask again. One pass over memory, to the bits
 * of dropout and gelu_grad one after the other. dy (…), x (…), rng uint32 (4) → dx (…).
 */
export const geluDropoutGradOperation: Operation<{ p: number; stream: number }> = {
  name: 'gelu_dropout_grad',
  operands: ['dy', 'x', 'rng:u32'],
  results: ['dx'],
  infer([dy, x, rng], attrs) {
    expectShape('gelu_dropout_grad', 'x', x, dy.shape, 'that of dy');
    return dropoutOperation.infer([dy, rng], attrs);
  },
  reference([dy, x, rng], attrs, [dx]) {
    const kept = { ...dy, data: new Float64Array(dy.data.length) };
    dropoutOperation.reference([dy, rng], attrs, [kept]);
    geluGradOperation.reference([kept, x], {}, [dx]);
  },
  inPlace: () => [0, 1],
  flops: ([dy]) => 35 * elements(dy.shape),
};
