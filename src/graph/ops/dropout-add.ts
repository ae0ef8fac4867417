import { elements, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';
import { dropoutOperation } from './dropout.js';

/**
 * y = dropout(x) + residual in one pass over memory, to the bits of dropout and add one after the other.
 * x (…), residual (…), rng uint32 (4) → y (…). What fuseDropout makes of a training graph.
 */
export const dropoutAddOperation: Operation<{ p: number; stream: number }> = {
  name: 'dropout_add',
  operands: ['x', 'residual', 'rng:u32'],
  results: ['y'],
  infer([x, residual, rng], attrs) {
    expectShape('dropout_add', 'residual', residual, x.shape, 'that of x');
    return dropoutOperation.infer([x, rng], attrs);
  },
  reference([x, residual, rng], attrs, [y]) {
    dropoutOperation.reference([x, rng], attrs, [y]);
    for (let i = 0; i < y.data.length; i++) y.data[i] += residual.data[i];
  },
  inPlace: () => [0, 1],
  flops: ([x]) => 11 * elements(x.shape),
};
