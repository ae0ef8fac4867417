import { operandData } from '../bf16.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';
import { type AttentionAttributes, at, attentionSizes, attentionWeights, forEachQuery } from './attention.js';
import { attentionMask, checkAttentionDropout } from './attention-dropout.js';
import { visiblePairs } from './attention-pattern.js';

/**
 * The gradient of attention. With P the softmax weights, dP = dO·vᵀ and δ = rowsum(dO∘O):
 *   dv = Pᵀ·dO,  dS = P∘(dP − δ)/√headDim,  dq = dS·k,  dk = dSᵀ·q.   FlashAttention-2 (Dao 2023, arXiv:2307.08691), alg. 2.
 * With dropout, M being what the weights are multiplied by, drawn again from rng: dP = (dO·vᵀ)∘M and dv = (P∘M)ᵀ·dO.
 * Results: dqkv (B, T, 3D). With queries 'last' only the last row has a query: dq is 0 elsewhere.
 */
export const attentionGradOperation: Operation<AttentionAttributes> = {
  name: 'attention_grad',
  operands: ['do', 'qkv', 'o', 'lse', 'rng?:u32'],
  results: ['dqkv'],
  infer([dO, qkv, o, lse, rng], attrs) {
    checkAttentionDropout('attention_grad', rng, attrs);
    const { batch, queryRows, width, heads } = attentionSizes('attention_grad', qkv, attrs);
    expectShape('attention_grad', 'do', dO, [batch, queryRows, width], 'that of o');
    expectShape('attention_grad', 'o', o, [batch, queryRows, width], 'as attention gives it');
    expectShape('attention_grad', 'lse', lse, [batch, heads, queryRows], 'as attention gives it');
    return [f32(qkv.shape)];
  },
  reference([dO, qkv, o, , rng], attrs, [dqkv]) {
    const s = attentionSizes('attention_grad', qkv, attrs);
    const [data, dOut] = [operandData(qkv.data, attrs.precision), operandData(dO.data, attrs.precision)];
    const [weights, mask] = [new Float64Array(s.steps), new Float64Array(s.steps)];
    const drawMask = attentionMask(s, attrs, rng);
    dqkv.data.fill(0);
    forEachQuery(s, attrs, (batch, head, query, row, keys) => {
      attentionWeights(s, attrs, data, batch, head, query, keys, weights);
      drawMask(batch, head, query, keys, mask);
      const base = (batch * s.queryRows + row) * s.width + head * s.headDim;
      let delta = 0;
      for (let i = 0; i < s.headDim; i++) delta += dOut[base + i] * o.data[base + i];
      for (const t of keys) {
        let dP = 0;
        for (let i = 0; i < s.headDim; i++) dP += dOut[base + i] * data[at(s, batch, t, 2, head, i)];
        const dS = weights[t] * (dP * mask[t] - delta) * s.factor;
        for (let i = 0; i < s.headDim; i++) {
          dqkv.data[at(s, batch, query, 0, head, i)] += dS * data[at(s, batch, t, 1, head, i)];
          dqkv.data[at(s, batch, t, 1, head, i)] += dS * data[at(s, batch, query, 0, head, i)];
          dqkv.data[at(s, batch, t, 2, head, i)] += weights[t] * mask[t] * dOut[base + i];
        }
      }
    });
  },
  flops([, qkv, , , rng], _, attrs) {
    const s = attentionSizes('attention_grad', qkv, attrs);
    return s.batch * visiblePairs(attrs, attrs.causal, s) * (10 * s.headDim + 8 + (rng === undefined ? 0 : 10));
  },
};

export function attentionGrad(
  dO: Tensor,
  qkv: Tensor,
  o: Tensor,
  lse: Tensor,
  rng: Tensor | undefined,
  attrs: AttentionAttributes,
): Tensor {
  return qkv.graph.apply(attentionGradOperation, [dO, qkv, o, lse, rng], attrs)[0];
}
