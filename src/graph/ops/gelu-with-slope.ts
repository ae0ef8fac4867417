import { elements, f32, type Operation } from '../operation.js';
import { geluOperation } from './gelu.js';
import { geluGradOperation } from './gelu-grad.js';

/**
 * y = gelu(x) and its derivative slope = Φ(x) + x·φ(x), which cost little more together than one alone: the gradient is then
 * dy·slope. x (…) → y (…), slope (…). What storeGeluSlope makes of a training graph.
 */
export const geluWithSlopeOperation: Operation<Record<string, never>> = {
  name: 'gelu_with_slope',
  operands: ['x'],
  results: ['y', 'slope'],
  infer: ([x]) => [f32(x.shape), f32(x.shape)],
  reference([x], _, [y, slope]) {
    geluOperation.reference([x], {}, [y]);
    geluGradOperation.reference([{ ...x, data: new Float64Array(x.data.length).fill(1) }, x], {}, [slope]);
  },
  inPlace: () => [0],
  flops: ([x]) => 48 * elements(x.shape),
};
