import { elements, type Operation } from '../operation.js';
import { dropoutOperation } from './dropout.js';
import { geluWithSlopeOperation } from './gelu-with-slope.js';

/**
 * y = dropout(gelu(x)) and slope = dropout(gelu′(x)) under the same mask: the gradient is then dy·slope, for which nothing is
 * drawn or computed again. x (…), rng uint32 (4) → y (…), slope (…). What storeGeluSlope makes of a training graph.
 */
export const geluDropoutWithSlopeOperation: Operation<{ p: number; stream: number }> = {
  name: 'gelu_dropout_with_slope',
  operands: ['x', 'rng:u32'],
  results: ['y', 'slope'],
  infer: (inputs, attrs) => [...dropoutOperation.infer(inputs, attrs), ...dropoutOperation.infer(inputs, attrs)],
  reference([x, rng], attrs, [y, slope]) {
    const whole = [y, slope].map((result) => ({ ...result, data: new Float64Array(x.data.length) }));
    geluWithSlopeOperation.reference([x], {}, whole);
    dropoutOperation.reference([whole[0], rng], attrs, [y]);
    dropoutOperation.reference([whole[1], rng], attrs, [slope]);
  },
  inPlace: () => [0],
  flops: ([x]) => 54 * elements(x.shape),
};
