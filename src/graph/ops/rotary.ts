import { checkOptions, finite, integer, oneOf } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { type OnnxBuilder, onnxIntegers } from '../onnx-lowering.js';
import { elements, f32, type Operation, type TensorType } from '../operation.js';
import { expectRank, shapeError } from '../shape.js';

/** Which elements of a head make a pair: (i, i + headDim/2), or (2i, 2i + 1). */
export type RotaryLayout = 'half' | 'interleaved';

export type RotaryAttributes = {
  heads: number;
  /** Wavelengths rise from 2π to 2π · base. */
  base: number;
  layout: RotaryLayout;
  /** Turns back: the gradient. */
  inverse: boolean;
};

/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864, eq. 34): pair i of every query and key at step t is turned by the
 * angle t · base^(−2i/headDim), so that a score depends on the distance of its steps alone. Values are left as they are.
 *   (a, b) → (a·cos − b·sin, b·cos + a·sin)
 * qkv (B, T, 3D), as attention takes it → the same shape. Cosines and sines are rounded to float32.
 *
 * Gradient: the same with inverse, for a rotation's transpose is its inverse.
 */
export const rotaryOperation: Operation<RotaryAttributes> = {
  name: 'rotary',
  operands: ['qkv'],
  results: ['y'],
  infer([qkv], attrs) {
    rotarySizes(qkv, attrs);
    return [f32(qkv.shape)];
  },
  reference([qkv], attrs, [y]) {
    const { batch, steps, width, heads, headDim, half } = rotarySizes(qkv, attrs);
    const { cos, sin } = rotaryTables(steps, headDim, attrs);
    y.data.set(qkv.data);
    for (let row = 0; row < batch * steps; row++) {
      for (let part = 0; part < 2; part++) {
        for (let head = 0; head < heads; head++) {
          const start = row * 3 * width + part * width + head * headDim;
          for (let i = 0; i < half; i++) {
            const first = start + (attrs.layout === 'half' ? i : 2 * i);
            const second = first + (attrs.layout === 'half' ? half : 1);
            const at = (row % steps) * half + i;
            const [a, b] = [qkv.data[first], qkv.data[second]];
            y.data[first] = a * cos[at] - b * sin[at];
            y.data[second] = b * cos[at] + a * sin[at];
          }
        }
      }
    }
  },
  gradient: ({ attrs }, [dy]) => [dy?.graph.apply(rotaryOperation, [dy], { ...attrs, inverse: !attrs.inverse })[0]],
  onnx(builder, { inputs: [qkv], attrs }, [name]) {
    const { width } = rotarySizes(qkv, attrs);
    const sizes = onnxIntegers(builder, 'split', [width, width, width]);
    const [q, k, v] = builder.emit('Split', [name, sizes], { axis: 2 }, 3);
    return builder.emit('Concat', [turned(builder, q, qkv, attrs), turned(builder, k, qkv, attrs), v], { axis: 2 });
  },
  inPlace: () => [0],
  flops: ([qkv]) => 2 * elements(qkv.shape),
};

/** @param options base defaults to 10000, layout to 'half'. */
export function rotary(qkv: Tensor, options: { heads: number; base?: number; layout?: RotaryLayout }): Tensor {
  checkOptions('rotary', options, ['heads', 'base', 'layout']);
  const { heads, base = 10_000, layout = 'half' } = options;
  return qkv.graph.apply(rotaryOperation, [qkv], { heads, base, layout, inverse: false })[0];
}

function rotarySizes(qkv: TensorType, { heads, base, layout }: RotaryAttributes) {
  expectRank('rotary', 'qkv', qkv, 3, '(B, T, 3·D)');
  integer('heads of rotary', heads, 1);
  finite('base of rotary', base, 1);
  oneOf('layout of rotary', layout, ['half', 'interleaved']);
  const [batch, steps, packed] = qkv.shape;
  if (packed % (6 * heads) !== 0) {
    throw shapeError('rotary', 'qkv', `(B, T, 3·D) with D a multiple of 2 · heads = ${2 * heads}`, qkv.shape);
  }
  const width = packed / 3;
  const headDim = width / heads;
  return { batch, steps, width, heads, headDim, half: headDim / 2 };
}

/** cos and sin of every step's angles, (steps, headDim/2); the sines negative for the inverse. */
function rotaryTables(steps: number, headDim: number, { base, inverse }: RotaryAttributes) {
  const half = headDim / 2;
  const cos = new Float32Array(steps * half);
  const sin = new Float32Array(steps * half);
  for (let t = 0; t < steps; t++) {
    for (let i = 0; i < half; i++) {
      const angle = t * base ** ((-2 * i) / headDim);
      cos[t * half + i] = Math.cos(angle);
      sin[t * half + i] = inverse ? -Math.sin(angle) : Math.sin(angle);
    }
  }
  return { cos, sin };
}

/** One part (B, T, D), turned: split into the two elements of the pairs, which a table (T, 1, headDim/2) multiplies. */
function turned(builder: OnnxBuilder, part: string, qkv: TensorType, attrs: RotaryAttributes): string {
  const { steps, width, heads, headDim, half } = rotarySizes(qkv, attrs);
  const tables = rotaryTables(steps, headDim, attrs);
  const cos = builder.constant('rotary_cos', 'f32', [steps, 1, half], tables.cos);
  const sin = builder.constant('rotary_sin', 'f32', [steps, 1, half], tables.sin);
  const byHalf = attrs.layout === 'half';
  const pairs = byHalf ? [0, steps, heads, 2, half] : [0, steps, heads, half, 2];
  const axis = byHalf ? 3 : 4;
  const [split] = builder.emit('Reshape', [part, onnxIntegers(builder, 'pairs', pairs)]);
  const axes = onnxIntegers(builder, 'axes', [axis]);
  const element = (index: number) =>
    builder.emit('Gather', [split, builder.constant('element', 'i64', [], [index])], { axis })[0];
  const [a, b] = [element(0), element(1)];
  const times = (x: string, table: string) => builder.emit('Mul', [x, table])[0];
  const [first] = builder.emit('Sub', [times(a, cos), times(b, sin)]);
  const [second] = builder.emit('Add', [times(b, cos), times(a, sin)]);
  const joined = [first, second].map((x) => builder.emit('Unsqueeze', [x, axes])[0]);
  const [both] = builder.emit('Concat', joined, { axis });
  return builder.emit('Reshape', [both, onnxIntegers(builder, 'joined', [0, steps, width])])[0];
}
