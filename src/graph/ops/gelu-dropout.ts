import { elements, type Operation } from '../operation.js';
import { dropoutOperation } from './dropout.js';
import { geluOperation } from './gelu.js';

/**
 * y = dropout(gelu(x)) in one pass over memory, to the bits of the two one after the other.
 * x (…), rng uint32 (4) → y (…). What fuseDropout makes of a training graph; its gradient is gelu_dropout_grad.
 */
export const geluDropoutOperation: Operation<{ p: number; stream: number }> = {
  name: 'gelu_dropout',
  operands: ['x', 'rng:u32'],
  results: ['y'],
  infer: (inputs, attrs) => dropoutOperation.infer(inputs, attrs),
  reference([x, rng], attrs, [y]) {
    const activated = { ...x, data: new Float64Array(x.data.length) };
    geluOperation.reference([x], {}, [activated]);
    dropoutOperation.reference([activated, rng], attrs, [y]);
  },
  inPlace: () => [0],
  flops: ([x]) => 30 * elements(x.shape),
};
