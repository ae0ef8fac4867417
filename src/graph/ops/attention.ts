import { FlashbookError } from '../../core/errors.js';
import { checkOptions, integer, oneOf } from '../../core/options.js';
import { checkPrecision, operandData, type Precision, precisionAttribute } from '../bf16.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation, type TensorType } from '../operation.js';
import { expectRank, shapeError } from '../shape.js';
import { type AttentionDropout, attentionMask, checkAttentionDropout } from './attention-dropout.js';
import { attentionGrad } from './attention-grad.js';
import { lowerAttention } from './attention-onnx.js';
import {
  type AttentionPattern,
  checkPattern,
  PATTERN_OPTIONS,
  patternAttributes,
  visibleKeys,
  visiblePairs,
} from './attention-pattern.js';

export type AttentionAttributes = AttentionPattern & {
  heads: number;
  /** Query t sees keys 0 … t. */
  causal: boolean;
  /** 'last': only the last query row is computed. */
  queries: 'all' | 'last';
  /** With 'bf16' q, k, v and the softmax weights are rounded to bf16 where they are multiplied; so are dO and dS in the gradient. */
  precision?: Precision;
  /** Probability that a weight is dropped; with an operand rng and a stream, as operation dropout has them. */
  dropout?: number;
  stream?: number;
};

/**
 * Multi-head self-attention. For each batch and head: o = softmax(q·kᵀ/√headDim)·v, lse = log Σ exp of the scaled scores.
 * qkv (B, T, 3D) holds q, k, v side by side, D = heads · headDim, head h at columns h·headDim of each
 * → o (B, T, D) and lse (B, heads, T); with queries 'last' (B, 1, D) and (B, heads, 1).
 * Vaswani et al. 2017 (arXiv:1706.03762). Kernels use the online softmax of FlashAttention (Dao 2022, arXiv:2205.14135).
 * A pattern gives heads horizons of their own; keys that a query does not see take no part in it, and cost nothing.
 * A row whose scores are all −∞ gives zeros, lse −∞ and no gradient.
 * With rng uint32 (4) = [seed low, seed high, step, 0] the weights are dropped as elements of operation dropout, after the softmax and
 * before they meet v (the attention dropout of Vaswani et al.'s own code; drawn in the kernel as by Dao 2023, arXiv:2307.08691). lse is that
 * of all weights. Where v is not finite a dropped weight still counts, as 0·v. The random bits: `attentionMask`. Training only, no ONNX form.
 *
 * Gradient: attention_grad; lse is for it alone and carries none.
 */
export const attentionOperation: Operation<AttentionAttributes> = {
  name: 'attention',
  operands: ['qkv', 'rng?:u32'],
  results: ['o', 'lse'],
  infer([qkv, rng], attrs) {
    checkAttentionDropout('attention', rng, attrs);
    const { batch, queryRows, width, heads } = attentionSizes('attention', qkv, attrs);
    return [f32([batch, queryRows, width]), f32([batch, heads, queryRows])];
  },
  reference([qkv, rng], attrs, [o, lse]) {
    const s = attentionSizes('attention', qkv, attrs);
    const data = operandData(qkv.data, attrs.precision);
    const [weights, mask] = [new Float64Array(s.steps), new Float64Array(s.steps)];
    const drawMask = attentionMask(s, attrs, rng);
    forEachQuery(s, attrs, (batch, head, query, row, keys) => {
      lse.data[(batch * s.heads + head) * s.queryRows + row] = attentionWeights(
        s,
        attrs,
        data,
        batch,
        head,
        query,
        keys,
        weights,
      );
      drawMask(batch, head, query, keys, mask);
      for (let i = 0; i < s.headDim; i++) {
        let sum = 0;
        for (const t of keys) sum += weights[t] * mask[t] * data[at(s, batch, t, 2, head, i)];
        o.data[(batch * s.queryRows + row) * s.width + head * s.headDim + i] = sum;
      }
    });
  },
  gradient({ inputs: [qkv, rng], outputs: [o, lse], attrs }, [dO, dLse]) {
    if (dLse !== undefined) throw new FlashbookError('OPTION', 'attention: the loss must not depend on the result lse');
    return [dO && attentionGrad(dO, qkv, o, lse, rng, attrs), undefined];
  },
  onnx(builder, { inputs: [qkv, rng], attrs }, [name]) {
    if (rng !== undefined)
      throw new FlashbookError('OPTION', 'attention: dropout is for training; it has no ONNX form');
    return [lowerAttention(builder, qkv.shape, attrs, name), ''];
  },
  flops([qkv, rng], _, attrs) {
    const s = attentionSizes('attention', qkv, attrs);
    return s.batch * visiblePairs(attrs, attrs.causal, s) * (4 * s.headDim + 5 + (rng === undefined ? 0 : 10));
  },
};

export type AttentionOptions = Partial<Omit<AttentionAttributes, 'dropout' | 'stream'>> & {
  heads: number;
  dropout?: AttentionDropout;
};

/**
 * @param options causal defaults to false, queries to 'all', precision to 'f32'; without windows, strides and alibi all heads see all,
 *   without dropout all weights stay.
 */
export function attention(qkv: Tensor, options: AttentionOptions): Tensor {
  checkOptions('attention', options, ['heads', 'causal', 'queries', 'precision', 'dropout', ...PATTERN_OPTIONS]);
  const { heads, causal = false, queries = 'all', precision, dropout } = options;
  integer('heads of attention', heads, 1);
  checkPattern('attention', heads, options);
  const attrs = { heads, causal, queries, ...precisionAttribute(precision), ...patternAttributes(options) };
  if (dropout === undefined) return qkv.graph.apply(attentionOperation, [qkv], attrs)[0];
  checkOptions('dropout of attention', dropout, ['p', 'rng', 'stream']);
  const { p, rng, stream = qkv.graph.nextStream() } = dropout;
  return qkv.graph.apply(attentionOperation, [qkv, rng], { ...attrs, dropout: p, stream })[0];
}

export interface AttentionSizes {
  batch: number;
  steps: number;
  /** D */
  width: number;
  heads: number;
  headDim: number;
  queryRows: number;
  factor: number;
}

/** Checks qkv and takes its shape apart. */
export function attentionSizes(operation: string, qkv: TensorType, attrs: AttentionAttributes): AttentionSizes {
  expectRank(operation, 'qkv', qkv, 3, '(B, T, 3·D)');
  const [batch, steps, packed] = qkv.shape;
  const { heads, queries } = attrs;
  integer(`heads of ${operation}`, heads, 1);
  oneOf(`queries of ${operation}`, queries, ['all', 'last']);
  checkPrecision(operation, attrs.precision);
  checkPattern(operation, heads, attrs);
  if (packed % (3 * heads) !== 0) {
    throw shapeError(operation, 'qkv', `(B, T, 3·D) with D a multiple of heads = ${heads}`, qkv.shape);
  }
  const width = packed / 3;
  const headDim = width / heads;
  const queryRows = queries === 'last' ? 1 : steps;
  return { batch, steps, width, heads, headDim, queryRows, factor: 1 / Math.sqrt(headDim) };
}

/** Index of element i of q (part 0), k (1) or v (2) of a head at step t. */
export function at(s: AttentionSizes, batch: number, t: number, part: number, head: number, i: number): number {
  return (batch * s.steps + t) * 3 * s.width + part * s.width + head * s.headDim + i;
}

/** Calls visit for every query row; `query` is its step, `row` its place in the result, `keys` the keys that it sees. */
export function forEachQuery(
  s: AttentionSizes,
  attrs: AttentionAttributes,
  visit: (batch: number, head: number, query: number, row: number, keys: readonly number[]) => void,
): void {
  for (let head = 0; head < s.heads; head++) {
    for (let row = 0; row < s.queryRows; row++) {
      const query = s.steps - s.queryRows + row;
      const keys = visibleKeys(attrs, attrs.causal, s.steps, head, query);
      for (let batch = 0; batch < s.batch; batch++) visit(batch, head, query, row, keys);
    }
  }
}

/** Fills weights[t] for each of the keys with the softmax of one query row and returns its log-sum-exp. */
export function attentionWeights(
  s: AttentionSizes,
  attrs: AttentionAttributes,
  qkv: Float64Array,
  batch: number,
  head: number,
  query: number,
  keys: readonly number[],
  weights: Float64Array,
): number {
  const slope = attrs.alibi?.[head] ?? 0;
  let peak = Number.NEGATIVE_INFINITY;
  for (const t of keys) {
    let score = 0;
    for (let i = 0; i < s.headDim; i++)
      score += qkv[at(s, batch, query, 0, head, i)] * qkv[at(s, batch, t, 1, head, i)];
    weights[t] = score * s.factor - slope * Math.abs(query - t);
    peak = Math.max(peak, weights[t]);
  }
  let sum = 0;
  for (const t of keys) {
    // A row whose scores are all −∞ has no key: zeros.
    weights[t] = peak === Number.NEGATIVE_INFINITY ? 0 : Math.exp(weights[t] - peak);
    sum += weights[t];
  }
  if (sum === 0) return Number.NEGATIVE_INFINITY;
  for (const t of keys) weights[t] /= sum;
  return peak + Math.log(sum);
}
