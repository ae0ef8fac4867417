import { FlashbookError } from '../../core/errors.js';
import { checkOptions, integer, oneOf } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { type OnnxBuilder, onnxIntegers, onnxScalar } from '../onnx-lowering.js';
import { f32, type Operation, type Shape, type TensorType } from '../operation.js';
import { expectRank, shapeError } from '../shape.js';
import { attentionGrad } from './attention-grad.js';

export type AttentionAttributes = {
  heads: number;
  /** Query t sees keys 0 … t. */
  causal: boolean;
  /** 'last': only the last query row is computed, over all keys. */
  queries: 'all' | 'last';
};

/**
 * Multi-head self-attention. For each batch and head: o = softmax(q·kᵀ/√headDim)·v, lse = log Σ exp of the scaled scores.
 * qkv (B, T, 3D) holds q, k, v side by side, D = heads · headDim, head h at columns h·headDim of each
 * → o (B, T, D) and lse (B, heads, T); with queries 'last' (B, 1, D) and (B, heads, 1).
 * Vaswani et al. 2017 (arXiv:1706.03762). Kernels use the online softmax of FlashAttention (Dao 2022, arXiv:2205.14135).
 *
 * Gradient: attention_grad; lse is for it alone and carries none.
 */
export const attentionOperation: Operation<AttentionAttributes> = {
  name: 'attention',
  operands: ['qkv'],
  results: ['o', 'lse'],
  infer([qkv], attrs) {
    const { batch, queryRows, width, heads } = attentionSizes('attention', qkv, attrs);
    return [f32([batch, queryRows, width]), f32([batch, heads, queryRows])];
  },
  reference([qkv], attrs, [o, lse]) {
    const s = attentionSizes('attention', qkv, attrs);
    const weights = new Float64Array(s.steps);
    forEachQuery(s, (batch, head, query, row) => {
      const limit = attrs.causal ? query + 1 : s.steps;
      lse.data[(batch * s.heads + head) * s.queryRows + row] = attentionWeights(
        s,
        qkv.data,
        batch,
        head,
        query,
        limit,
        weights,
      );
      for (let i = 0; i < s.headDim; i++) {
        let sum = 0;
        for (let t = 0; t < limit; t++) sum += weights[t] * qkv.data[at(s, batch, t, 2, head, i)];
        o.data[(batch * s.queryRows + row) * s.width + head * s.headDim + i] = sum;
      }
    });
  },
  gradient({ inputs: [qkv], outputs: [o, lse], attrs }, [dO, dLse]) {
    if (dLse !== undefined) throw new FlashbookError('OPTION', 'attention: the loss must not depend on the result lse');
    return [dO && attentionGrad(dO, qkv, o, lse, attrs)];
  },
  onnx: (builder, { inputs: [qkv], attrs }, [name]) => [lower(builder, qkv.shape, attrs, name), ''],
  flops([qkv], _, attrs) {
    const { batch, heads, headDim, steps, queryRows } = attentionSizes('attention', qkv, attrs);
    const pairs = attrs.causal && attrs.queries === 'all' ? (steps * (steps + 1)) / 2 : steps * queryRows;
    return batch * heads * pairs * (4 * headDim + 5);
  },
};

/** @param options causal defaults to false, queries to 'all'. */
export function attention(qkv: Tensor, options: Partial<AttentionAttributes> & { heads: number }): Tensor {
  checkOptions('attention', options, ['heads', 'causal', 'queries']);
  const { heads, causal = false, queries = 'all' } = options;
  return qkv.graph.apply(attentionOperation, [qkv], { heads, causal, queries })[0];
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

/** Calls visit for every query row; `query` is its step, `row` its place in the result. */
export function forEachQuery(
  s: AttentionSizes,
  visit: (batch: number, head: number, query: number, row: number) => void,
): void {
  for (let batch = 0; batch < s.batch; batch++) {
    for (let head = 0; head < s.heads; head++) {
      for (let row = 0; row < s.queryRows; row++) visit(batch, head, s.steps - s.queryRows + row, row);
    }
  }
}

/** Fills weights[0 … limit) with the softmax of one query row and returns its log-sum-exp. */
export function attentionWeights(
  s: AttentionSizes,
  qkv: Float64Array,
  batch: number,
  head: number,
  query: number,
  limit: number,
  weights: Float64Array,
): number {
  let peak = Number.NEGATIVE_INFINITY;
  for (let t = 0; t < limit; t++) {
    let score = 0;
    for (let i = 0; i < s.headDim; i++)
      score += qkv[at(s, batch, query, 0, head, i)] * qkv[at(s, batch, t, 1, head, i)];
    weights[t] = score * s.factor;
    peak = Math.max(peak, weights[t]);
  }
  let sum = 0;
  for (let t = 0; t < limit; t++) {
    // A row whose scores are all −∞ has no key: zeros.
    weights[t] = peak === Number.NEGATIVE_INFINITY ? 0 : Math.exp(weights[t] - peak);
    sum += weights[t];
  }
  if (sum === 0) return Number.NEGATIVE_INFINITY;
  for (let t = 0; t < limit; t++) weights[t] /= sum;
  return peak + Math.log(sum);
}

/** MatMul, mask, Softmax, MatMul per head. The mask adds −∞ above the diagonal; every row keeps its diagonal: no NaN. */
function lower(
  builder: OnnxBuilder,
  shape: Shape,
  { heads, causal, queries }: AttentionAttributes,
  qkv: string,
): string {
  const [, steps, packed] = shape;
  const width = packed / 3;
  const headDim = width / heads;
  const sizes = onnxIntegers(builder, 'split', [width, width, width]);
  let [q, k, v] = builder.emit('Split', [qkv, sizes], { axis: 2 }, 3);
  if (queries === 'last') {
    const bounds = [[-1], [steps], [1]].map((values, i) => onnxIntegers(builder, ['start', 'end', 'axis'][i], values));
    q = builder.emit('Slice', [q, ...bounds])[0];
  }
  const split = onnxIntegers(builder, 'heads', [0, 0, heads, headDim]);
  const perHead = (name: string, perm: number[]) =>
    builder.emit('Transpose', [builder.emit('Reshape', [name, split])[0]], { perm })[0];
  q = perHead(builder.emit('Mul', [q, onnxScalar(builder, 'scale', 1 / Math.sqrt(headDim))])[0], [0, 2, 1, 3]);
  k = perHead(k, [0, 2, 3, 1]);
  v = perHead(v, [0, 2, 1, 3]);
  let [scores] = builder.emit('MatMul', [q, k]);
  if (causal && queries === 'all') {
    const mask = new Float32Array(steps * steps);
    for (let row = 0; row < steps; row++) mask.fill(Number.NEGATIVE_INFINITY, row * steps + row + 1, (row + 1) * steps);
    scores = builder.emit('Add', [scores, builder.constant('causal_mask', 'f32', [steps, steps], mask)])[0];
  }
  const [weights] = builder.emit('Softmax', [scores], { axis: -1 });
  const [mixed] = builder.emit('MatMul', [weights, v]);
  const [joined] = builder.emit('Transpose', [mixed], { perm: [0, 2, 1, 3] });
  return builder.emit('Reshape', [joined, onnxIntegers(builder, 'joined', [0, 0, width])])[0];
}
