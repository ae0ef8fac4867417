import { checkPrecision, operandData, type Precision, precisionAttribute, roundBf16 } from '../bf16.js';
import { normalCdf, normalDensity } from '../erf.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';
import { type ExpertAttributes, expertSizes } from './experts.js';
import { geluOf } from './gelu.js';

/**
 * The gradient of experts, the hidden values computed again. For the rows of expert e, with z, h = gelu(z) and o = wContract·h + bContract:
 *   dgates = dy·o;  do = gate·dy;  dwContract = Σ do·hᵀ, dbContract = Σ do;  dz = wContractᵀ·do ∘ gelu'(z)
 *   dwExpand = Σ dz·xᵀ, dbExpand = Σ dz;  dx = Σ_e wExpandᵀ·dz.
 * With precision 'bf16' both operands of each of these products are rounded to bf16, those of dgates are not.
 */
export const expertsGradOperation: Operation<ExpertAttributes> = {
  name: 'experts_grad',
  operands: ['dy', 'x', 'gates', 'wExpand', 'bExpand', 'wContract', 'bContract'],
  results: ['dx', 'dgates', 'dwExpand', 'dbExpand', 'dwContract', 'dbContract'],
  infer([dy, ...inputs], { precision }) {
    checkPrecision('experts_grad', precision);
    expertSizes('experts_grad', inputs);
    expectShape('experts_grad', 'dy', dy, inputs[0].shape, 'that of x');
    return inputs.map(({ shape }) => f32(shape));
  },
  reference([dy, ...inputs], { precision }, results) {
    const [x, gates, wExpand, bExpand, wContract, bContract] = inputs;
    const [some, expand, contract] = [x, wExpand, wContract].map(({ data }) => operandData(data, precision));
    const rounded = precision === 'bf16' ? roundBf16 : (value: number) => value;
    const [dx, dGates, dwExpand, dbExpand, dwContract, dbContract] = results;
    const { experts, hidden, width, count } = expertSizes('experts_grad', inputs);
    for (const { data } of results) data.fill(0);
    const z = new Float64Array(hidden);
    for (let row = 0; row < count; row++) {
      for (let e = 0; e < experts; e++) {
        const gate = gates.data[row * experts + e];
        if (!(gate > 0)) continue;
        for (let f = 0; f < hidden; f++) {
          z[f] = bExpand.data[e * hidden + f];
          for (let d = 0; d < width; d++) z[f] += expand[(e * hidden + f) * width + d] * some[row * width + d];
        }
        for (let d = 0; d < width; d++) {
          const g = dy.data[row * width + d];
          let value = bContract.data[e * width + d];
          for (let f = 0; f < hidden; f++) {
            const h = rounded(geluOf(z[f]));
            value += contract[(e * width + d) * hidden + f] * h;
            dwContract.data[(e * width + d) * hidden + f] += rounded(gate * g) * h;
          }
          dbContract.data[e * width + d] += gate * g;
          dGates.data[row * experts + e] += g * value;
        }
        for (let f = 0; f < hidden; f++) {
          let dz = 0;
          for (let d = 0; d < width; d++) {
            dz += rounded(gate * dy.data[row * width + d]) * contract[(e * width + d) * hidden + f];
          }
          dz *= normalCdf(z[f]) + z[f] * normalDensity(z[f]);
          dbExpand.data[e * hidden + f] += dz;
          for (let d = 0; d < width; d++) {
            dwExpand.data[(e * hidden + f) * width + d] += rounded(dz) * some[row * width + d];
            dx.data[row * width + d] += rounded(dz) * expand[(e * hidden + f) * width + d];
          }
        }
      }
    }
  },
  flops: ([, x, , wExpand]) => 2 * 14 * elements(x.shape) * wExpand.shape[1],
};

/** @returns the gradients of the operands of experts, in their order. */
export function expertsGrad(dy: Tensor, inputs: readonly Tensor[], precision?: Precision): Tensor[] {
  return dy.graph.apply(expertsGradOperation, [dy, ...inputs], precisionAttribute(precision));
}
