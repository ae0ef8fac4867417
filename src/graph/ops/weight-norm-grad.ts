import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';
import { expectGain } from './weight-norm.js';

/** With u = v[o]/‖v[o]‖: dgain[o] = Σ dw[o]∘u,  dv[o] = gain[o]/‖v[o]‖ · (dw[o] − dgain[o]·u). */
export const weightNormGradOperation: Operation<Record<string, never>> = {
  name: 'weight_norm_grad',
  operands: ['dw', 'v', 'gain'],
  results: ['dv', 'dgain'],
  infer([dw, v, gain]) {
    expectGain('weight_norm_grad', v, gain);
    expectShape('weight_norm_grad', 'dw', dw, v.shape, 'that of v');
    return [f32(v.shape), f32(gain.shape)];
  },
  reference([dw, v, gain], _, [dv, dgain]) {
    const size = v.data.length / gain.data.length;
    for (const [o, g] of gain.data.entries()) {
      let squares = 0;
      let product = 0;
      for (let i = o * size; i < (o + 1) * size; i++) {
        squares += v.data[i] ** 2;
        product += dw.data[i] * v.data[i];
      }
      const norm = Math.sqrt(squares);
      dgain.data[o] = product / norm;
      for (let i = o * size; i < (o + 1) * size; i++) {
        dv.data[i] = (g / norm) * (dw.data[i] - (dgain.data[o] * v.data[i]) / norm);
      }
    }
  },
  flops: ([dw]) => 9 * elements(dw.shape),
};

export function weightNormGrad(dw: Tensor, v: Tensor, gain: Tensor): Tensor[] {
  return dw.graph.apply(weightNormGradOperation, [dw, v, gain], {});
}
