import { checkPrecision, operandData, type Precision, precisionAttribute, roundBf16 } from '../bf16.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectRank, expectShape } from '../shape.js';
import type { RecurrentAttributes } from './lstm.js';

/**
 * The gradient of lstm, back through time. From the last step to the first, with dh_t the given one plus dz_{t+1}·wHidden:
 *   do = dh∘tanh(c),  dc = dc_{t+1}∘f_{t+1} + dh∘o∘(1 − tanh²(c)),  di = dc∘g,  dg = dc∘i,  df = dc∘c_{t−1}
 *   dz = each times its function's slope: i(1 − i), f(1 − f), 1 − g², o(1 − o)
 * dh (B, T, H), wHidden (4H, H), h, gates, c as lstm gives them → dz (B, T, 4H), before (B, T, H): h_{t−1}, 0 at the first step, so
 * that the weights' gradients are dzᵀ·before and dzᵀ·x. With precision 'bf16' dz and wHidden are rounded to bf16 where they are multiplied.
 */
export const lstmGradOperation: Operation<RecurrentAttributes> = {
  name: 'lstm_grad',
  operands: ['dh', 'wHidden', 'h', 'gates', 'c'],
  results: ['dz', 'before'],
  infer([dh, wHidden, h, gates, c], { precision }) {
    checkPrecision('lstm_grad', precision);
    expectRank('lstm_grad', 'dh', dh, 3, '(B, T, H)');
    const [batch, steps, hidden] = dh.shape;
    expectShape('lstm_grad', 'wHidden', wHidden, [4 * hidden, hidden], '4 gates of H columns');
    expectShape('lstm_grad', 'h', h, dh.shape, 'that of dh');
    expectShape('lstm_grad', 'gates', gates, [batch, steps, 4 * hidden], '4 gates a step');
    expectShape('lstm_grad', 'c', c, dh.shape, 'that of dh');
    return [f32(gates.shape), f32(dh.shape)];
  },
  reference([dh, wHidden, h, gates, c], { precision }, [dz, before]) {
    const [batch, steps, hidden] = dh.shape;
    const weights = operandData(wHidden.data, precision);
    const slope = precision === 'bf16' ? roundBf16 : (value: number) => value;
    before.data.fill(0);
    for (let b = 0; b < batch; b++) {
      const later = new Float64Array(hidden); // dc of the step after, times its f
      for (let t = steps - 1; t >= 0; t--) {
        const row = b * steps + t;
        for (let j = 0; j < hidden; j++) {
          let d = dh.data[row * hidden + j];
          if (t < steps - 1) {
            for (let k = 0; k < 4 * hidden; k++) {
              d += slope(dz.data[(row + 1) * 4 * hidden + k]) * weights[k * hidden + j];
            }
          }
          const [i, f, g, o] = [0, 1, 2, 3].map((part) => gates.data[(row * 4 + part) * hidden + j]);
          const squashed = Math.tanh(c.data[row * hidden + j]);
          const dc = later[j] + d * o * (1 - squashed * squashed);
          const cBefore = t > 0 ? c.data[(row - 1) * hidden + j] : 0;
          const parts = [
            dc * g * i * (1 - i),
            dc * cBefore * f * (1 - f),
            dc * i * (1 - g * g),
            d * squashed * o * (1 - o),
          ];
          for (const [part, value] of parts.entries()) dz.data[(row * 4 + part) * hidden + j] = value;
          later[j] = dc * f;
        }
        if (t > 0) before.data.set(h.data.subarray((row - 1) * hidden, row * hidden), row * hidden);
      }
    }
  },
  flops([dh]) {
    const [batch, steps, hidden] = dh.shape;
    return batch * steps * hidden * (8 * hidden + 40);
  },
};

/** @returns dz and before. */
export function lstmGrad(
  dh: Tensor,
  wHidden: Tensor,
  h: Tensor,
  gates: Tensor,
  c: Tensor,
  precision?: Precision,
): Tensor[] {
  return dh.graph.apply(lstmGradOperation, [dh, wHidden, h, gates, c], precisionAttribute(precision));
}
