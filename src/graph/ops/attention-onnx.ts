import { type OnnxBuilder, onnxIntegers, onnxScalar } from '../onnx-lowering.js';
import type { Shape } from '../operation.js';
import type { AttentionAttributes } from './attention.js';
import type { AttentionLastAttributes } from './attention-last.js';
import { hasPattern } from './attention-pattern.js';

/** The lowering of qkv of a shape. */
export function lowerAttention(builder: OnnxBuilder, shape: Shape, attrs: AttentionAttributes, qkv: string): string {
  const [, steps, packed] = shape;
  const width = packed / 3;
  const sizes = onnxIntegers(builder, 'split', [width, width, width]);
  let [q, k, v] = builder.emit('Split', [qkv, sizes], { axis: 2 }, 3);
  if (attrs.queries === 'last') {
    const bounds = [[-1], [steps], [1]].map((values, i) => onnxIntegers(builder, ['start', 'end', 'axis'][i], values));
    q = builder.emit('Slice', [q, ...bounds])[0];
  }
  return mixHeads(builder, [steps, width], attrs, [q, k, v]);
}

/** The lowering of q (B, D) and kv of a shape. */
export function lowerAttentionLast(
  builder: OnnxBuilder,
  shape: Shape,
  attrs: AttentionLastAttributes,
  q: string,
  kv: string,
): string {
  const [, steps, packed] = shape;
  const width = packed / 2;
  const [k, v] = builder.emit('Split', [kv, onnxIntegers(builder, 'split', [width, width])], { axis: 2 }, 2);
  const [row] = builder.emit('Unsqueeze', [q, onnxIntegers(builder, 'axis', [1])]);
  const o = mixHeads(builder, [steps, width], { ...attrs, causal: true, queries: 'last' }, [row, k, v]);
  return builder.emit('Squeeze', [o, onnxIntegers(builder, 'axis', [1])])[0];
}

/** MatMul, mask, Softmax, MatMul per head. The mask adds −∞ where a query does not see a key; every row sees itself: no NaN. */
function mixHeads(
  builder: OnnxBuilder,
  [steps, width]: readonly [number, number],
  attrs: AttentionAttributes,
  parts: readonly [string, string, string],
): string {
  const { heads, causal, queries } = attrs;
  const headDim = width / heads;
  const split = onnxIntegers(builder, 'heads', [0, 0, heads, headDim]);
  const perHead = (name: string, perm: number[]) =>
    builder.emit('Transpose', [builder.emit('Reshape', [name, split])[0]], { perm })[0];
  const scale = onnxScalar(builder, 'scale', 1 / Math.sqrt(headDim));
  const q = perHead(builder.emit('Mul', [parts[0], scale])[0], [0, 2, 1, 3]);
  const k = perHead(parts[1], [0, 2, 3, 1]);
  const v = perHead(parts[2], [0, 2, 1, 3]);
  let [scores] = builder.emit('MatMul', [q, k]);
  if (hasPattern(attrs)) {
    scores = builder.emit('Add', [scores, patternBias(builder, steps, attrs)])[0];
  } else if (causal && queries === 'all') {
    const mask = new Float32Array(steps * steps);
    for (let row = 0; row < steps; row++) mask.fill(Number.NEGATIVE_INFINITY, row * steps + row + 1, (row + 1) * steps);
    scores = builder.emit('Add', [scores, builder.constant('causal_mask', 'f32', [steps, steps], mask)])[0];
  }
  const [weights] = builder.emit('Softmax', [scores], { axis: -1 });
  const [mixed] = builder.emit('MatMul', [weights, v]);
  const [joined] = builder.emit('Transpose', [mixed], { perm: [0, 2, 1, 3] });
  return builder.emit('Reshape', [joined, onnxIntegers(builder, 'joined', [0, 0, width])])[0];
}

/**
 * What a pattern adds to the scores, (heads, queries, keys), computed from the distances t − s, so that the file holds no mask of
 * steps × steps: −slope·|t − s| where the query sees the key, −∞ elsewhere.
 */
function patternBias(builder: OnnxBuilder, steps: number, attrs: AttentionAttributes): string {
  const { heads, causal, queries, windows, strides, alibi } = attrs;
  const places = Float32Array.from({ length: steps }, (_, t) => t);
  const rows = queries === 'last' ? places.subarray(steps - 1) : places;
  const each = (name: string, values: readonly number[]) => builder.constant(name, 'f32', [heads, 1, 1], values);
  const emit = (type: string, ...inputs: string[]) => builder.emit(type, inputs)[0];

  const distance = emit(
    'Sub',
    builder.constant('queries', 'f32', [rows.length, 1], rows),
    builder.constant('keys', 'f32', [1, steps], places),
  );
  const apart = emit('Abs', distance);
  const zero = onnxScalar(builder, 'zero', 0);
  const seen: string[] = [];
  if (causal) seen.push(emit('GreaterOrEqual', distance, zero));
  if (windows !== undefined) {
    // No window is one that reaches past the first and the last step.
    const reach = windows.map((window) => (window === 0 ? steps : window));
    seen.push(emit('Less', apart, each('windows', reach)));
  }
  if (strides !== undefined) {
    const [rest] = builder.emit('Mod', [apart, each('strides', strides)], { fmod: 1 });
    seen.push(emit('Equal', rest, zero));
  }
  const bias =
    alibi === undefined
      ? zero
      : emit(
          'Mul',
          apart,
          each(
            'alibi',
            alibi.map((slope) => -slope),
          ),
        );
  if (seen.length === 0) return bias;
  const visible = seen.reduce((all, one) => emit('And', all, one));
  return emit('Where', visible, bias, onnxScalar(builder, 'unseen', Number.NEGATIVE_INFINITY));
}
