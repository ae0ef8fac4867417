import { checkOptions, integer } from '../../core/options.js';
import { checkPrecision, type Precision, precisionAttribute } from '../bf16.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation, type TensorType, type Value } from '../operation.js';
import { expectRank, expectShape, shapeError } from '../shape.js';
import { type AttentionAttributes, attentionOperation } from './attention.js';
import { lowerAttentionLast } from './attention-onnx.js';
import {
  type AttentionPattern,
  checkPattern,
  PATTERN_OPTIONS,
  patternAttributes,
  visiblePairs,
} from './attention-pattern.js';

export type AttentionLastAttributes = AttentionPattern & { heads: number; precision?: Precision };

/**
 * Attention of the last step alone, whose query was projected apart: `attention` with queries 'last', its qkv in two operands.
 * q (B, D), kv (B, T, 2D) with keys and values side by side → o (B, D). For prediction: no gradient, no dropout.
 */
export const attentionLastOperation: Operation<AttentionLastAttributes> = {
  name: 'attention_last',
  operands: ['q', 'kv'],
  results: ['o'],
  infer([q, kv], attrs) {
    const { batch, width } = sizes(q, kv, attrs);
    return [f32([batch, width])];
  },
  reference([q, kv], attrs, [o]) {
    const { batch, steps, width, heads } = sizes(q, kv, attrs);
    const qkv = value([batch, steps, 3 * width]); // with queries of 0 but for the last
    for (let b = 0; b < batch; b++) {
      for (let t = 0; t < steps; t++) {
        const row = b * steps + t;
        qkv.data.set(kv.data.subarray(row * 2 * width, (row + 1) * 2 * width), row * 3 * width + width);
      }
      qkv.data.set(q.data.subarray(b * width, (b + 1) * width), ((b + 1) * steps - 1) * 3 * width);
    }
    const packed: AttentionAttributes = { ...attrs, causal: true, queries: 'last' };
    attentionOperation.reference([qkv], packed, [o, value([batch, heads, 1])]);
  },
  onnx: (builder, { inputs: [, kv], attrs }, [q, packed]) => [lowerAttentionLast(builder, kv.shape, attrs, q, packed)],
  flops([q, kv], _, attrs) {
    const s = sizes(q, kv, attrs);
    return s.batch * visiblePairs(attrs, true, { ...s, queryRows: 1 }) * ((4 * s.width) / s.heads + 5);
  },
};

export type AttentionLastOptions = AttentionLastAttributes;

/** @param options precision defaults to 'f32'; without windows, strides and alibi the query sees all keys. */
export function attentionLast(q: Tensor, kv: Tensor, options: AttentionLastOptions): Tensor {
  checkOptions('attentionLast', options, ['heads', 'precision', ...PATTERN_OPTIONS]);
  const { heads, precision } = options;
  integer('heads of attention_last', heads, 1);
  checkPattern('attention_last', heads, options);
  const attrs = { heads, ...precisionAttribute(precision), ...patternAttributes(options) };
  return q.graph.apply(attentionLastOperation, [q, kv], attrs)[0];
}

function sizes(q: TensorType, kv: TensorType, attrs: AttentionLastAttributes) {
  const operation = 'attention_last';
  expectRank(operation, 'kv', kv, 3, '(B, T, 2·D)');
  const [batch, steps, packed] = kv.shape;
  const { heads, precision } = attrs;
  integer(`heads of ${operation}`, heads, 1);
  checkPrecision(operation, precision);
  checkPattern(operation, heads, attrs);
  if (packed % (2 * heads) !== 0) {
    throw shapeError(operation, 'kv', `(B, T, 2·D) with D a multiple of heads = ${heads}`, kv.shape);
  }
  const width = packed / 2;
  expectShape(operation, 'q', q, [batch, width], `kv is (${kv.shape.join(', ')})`);
  return { batch, steps, width, heads };
}

function value(shape: readonly number[]): Value {
  return { shape, dtype: 'f32', data: new Float64Array(elements(shape)) };
}
