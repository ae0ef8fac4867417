import { checkPrecision, operandData, type Precision, precisionAttribute, roundBf16 } from '../bf16.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows, type TensorType } from '../operation.js';
import { expectColumns, expectRank, expectShape } from '../shape.js';
import { expertsGrad } from './experts-grad.js';
import { geluOf, onnxGelu } from './gelu.js';

export type ExpertAttributes = { precision?: Precision };

/**
 * The feed-forward layers of a mixture of experts, each row through the experts whose gate is above 0, the others cost nothing:
 *   y = Σ_e gates[e] · (wContract[e]·gelu(wExpand[e]·x + bExpand[e]) + bContract[e])
 * x (…, D), gates (…, E), wExpand (E, F, D), bExpand (E, F), wContract (E, D, F), bContract (E, D) → y (…, D).
 * Kernels gather the rows of an expert, multiply them together, and scatter the results.
 *
 * Gradient: experts_grad. A gate of 0 gets gradient 0: its expert was not asked. ONNX computes every expert for every row.
 *
 * With precision 'bf16' x, the hidden values and both weights are rounded to bf16 before they are multiplied; gates, biases and sums stay
 * float32. ONNX gets the float32 form.
 */
export const expertsOperation: Operation<ExpertAttributes> = {
  name: 'experts',
  operands: ['x', 'gates', 'wExpand', 'bExpand', 'wContract', 'bContract'],
  results: ['y'],
  infer(inputs, { precision }) {
    checkPrecision('experts', precision);
    expertSizes('experts', inputs);
    return [f32(inputs[0].shape)];
  },
  reference(inputs, { precision }, [y]) {
    const [x, gates, wExpand, bExpand, wContract, bContract] = inputs;
    const [some, expand, contract] = [x, wExpand, wContract].map(({ data }) => operandData(data, precision));
    const hiddenValue = precision === 'bf16' ? roundBf16 : (value: number) => value;
    const { experts, hidden, width, count } = expertSizes('experts', inputs);
    const h = new Float64Array(hidden);
    y.data.fill(0);
    for (let row = 0; row < count; row++) {
      for (let e = 0; e < experts; e++) {
        const gate = gates.data[row * experts + e];
        if (!(gate > 0)) continue;
        for (let f = 0; f < hidden; f++) {
          let z = bExpand.data[e * hidden + f];
          for (let d = 0; d < width; d++) z += expand[(e * hidden + f) * width + d] * some[row * width + d];
          h[f] = hiddenValue(geluOf(z));
        }
        for (let d = 0; d < width; d++) {
          let value = bContract.data[e * width + d];
          for (let f = 0; f < hidden; f++) value += contract[(e * width + d) * hidden + f] * h[f];
          y.data[row * width + d] += gate * value;
        }
      }
    }
  },
  gradient: ({ inputs, attrs: { precision } }, [dy]) => (dy === undefined ? [] : expertsGrad(dy, inputs, precision)),
  onnx(builder, { inputs }, [x, gates, wExpand, bExpand, wContract, bContract]) {
    const { experts, width } = expertSizes('experts', inputs);
    const ints = (name: string, values: number[]) => builder.constant(name, 'i64', [values.length], values);
    const [flat] = builder.emit('Reshape', [x, ints('rows', [1, -1, width])]);
    const transposed = (name: string) => builder.emit('Transpose', [name], { perm: [0, 2, 1] })[0];
    const between = (name: string) => builder.emit('Unsqueeze', [name, ints('axis', [1])])[0];
    const product = (a: string, w: string, b: string) =>
      builder.emit('Add', [builder.emit('MatMul', [a, transposed(w)])[0], between(b)])[0];
    const each = product(onnxGelu(builder, product(flat, wExpand, bExpand)), wContract, bContract);
    const [byRow] = builder.emit('Reshape', [gates, ints('gates', [-1, experts])]);
    const [byExpert] = builder.emit('Transpose', [byRow], { perm: [1, 0] });
    const [weights] = builder.emit('Unsqueeze', [byExpert, ints('axis', [2])]);
    const [weighted] = builder.emit('Mul', [each, weights]);
    const [sum] = builder.emit('ReduceSum', [weighted, ints('axis', [0])], { keepdims: 0 });
    const leading = inputs[0].shape.slice(1, -1);
    return builder.emit('Reshape', [sum, ints('shape', [-1, ...leading, width])]);
  },
  /** As if every row had two experts: the graph does not know the gates. */
  flops: ([x, , wExpand]) => 2 * 4 * elements(x.shape) * wExpand.shape[1],
};

export interface ExpertWeights {
  wExpand: Tensor;
  bExpand: Tensor;
  wContract: Tensor;
  bContract: Tensor;
}

export function experts(
  x: Tensor,
  gates: Tensor,
  weights: ExpertWeights,
  { precision }: { precision?: Precision } = {},
): Tensor {
  const { wExpand, bExpand, wContract, bContract } = weights;
  const operands = [x, gates, wExpand, bExpand, wContract, bContract];
  return x.graph.apply(expertsOperation, operands, precisionAttribute(precision))[0];
}

export function expertSizes(operation: string, inputs: readonly TensorType[]) {
  const [x, gates, wExpand, bExpand, wContract, bContract] = inputs;
  expectRank(operation, 'wExpand', wExpand, 3, '(E, F, D)');
  const [count, hidden, width] = wExpand.shape;
  expectColumns(operation, 'x', x, width, 'as wExpand');
  expectShape(operation, 'gates', gates, [...x.shape.slice(0, -1), count], 'one an expert and row of x');
  expectShape(operation, 'bExpand', bExpand, [count, hidden], 'one a row of wExpand');
  expectShape(operation, 'wContract', wContract, [count, width, hidden], 'the way back from wExpand');
  expectShape(operation, 'bContract', bContract, [count, width], 'one a row of wContract');
  return { experts: columns(gates.shape), hidden, width, count: rows(x.shape) };
}
