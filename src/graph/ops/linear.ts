import { checkOptions, oneOf } from '../../core/options.js';
import { checkPrecision, operandData, type Precision, precisionAttribute } from '../bf16.js';
import type { Tensor } from '../ir.js';
import type { OnnxBuilder } from '../onnx-lowering.js';
import { columns, elements, f32, type Operation, rows, type TensorType } from '../operation.js';
import { expectColumns, expectRank, expectShape } from '../shape.js';
import { geluOf, onnxGelu } from './gelu.js';
import { geluGrad } from './gelu-grad.js';
import { matmul } from './matmul.js';
import { reluOf } from './relu.js';
import { reluGrad } from './relu-grad.js';
import { reduceTo } from './sum-rows.js';

export type Activation = 'none' | 'relu' | 'gelu';
export interface LinearOptions {
  activation?: Activation;
  residual?: Tensor;
  /** Default 'f32'. */
  precision?: Precision;
}
type LinearAttributes = { activation: Activation; precision?: Precision };

/**
 * y = act(x·wᵀ + bias) + residual.
 * x (…, K), w (N, K), bias (N) or absent, residual (…, N) or absent → y (…, N).
 *
 * Gradient, with z = x·wᵀ + bias and dz = act'(z)∘dy: dx = dz·w, dw = dzᵀ·x, dbias = Σ rows of dz, dresidual = dy. With an
 * activation z is computed again, so differentiate the unfused graph and let the fusing pass run afterwards.
 *
 * With precision 'bf16' x and w are rounded to bf16 before they are multiplied, and so are dz, w and x in the gradient (as if
 * rounding were the identity). ONNX gets the float32 form.
 */
export const linearOperation: Operation<LinearAttributes> = {
  name: 'linear',
  operands: ['x', 'w', 'bias?', 'residual?'],
  results: ['y'],
  infer(inputs, { activation, precision }) {
    checkPrecision('linear', precision);
    return [inferLinear('linear', inputs, activation)];
  },
  reference([x, w, bias, residual], { activation, precision }, [y]) {
    const [n, k] = w.shape;
    const act = activationOf(activation);
    const [left, right] = [operandData(x.data, precision), operandData(w.data, precision)];
    for (let row = 0; row < rows(x.shape); row++) {
      for (let j = 0; j < n; j++) {
        let sum = bias === undefined ? 0 : bias.data[j];
        for (let i = 0; i < k; i++) sum += left[row * k + i] * right[j * k + i];
        const at = row * n + j;
        y.data[at] = residual === undefined ? act(sum) : act(sum) + residual.data[at];
      }
    }
  },
  gradient({ inputs: [x, w, bias, residual], attrs: { activation, precision } }, [dy], needed) {
    if (dy === undefined) return [];
    let dz = dy;
    if (activation !== 'none') {
      const z = linear(x, w, bias, { precision });
      dz = activation === 'gelu' ? geluGrad(dy, z) : reluGrad(dy, z);
    }
    return [
      needed[0] ? matmul(dz, w, { precision }) : undefined,
      needed[1] ? matmul(dz, x, { transA: true, precision }) : undefined,
      bias && needed[2] ? reduceTo(dz, bias.shape) : undefined,
      residual && dy,
    ];
  },
  onnx(builder, { attrs: { activation } }, [x, w, bias, residual]) {
    const [transposed] = builder.emit('Transpose', [w], { perm: [1, 0] });
    const [product] = builder.emit('MatMul', [x, transposed]);
    return [onnxEpilogue(builder, product, activation, bias, residual)];
  },
  flops: ([x], [y]) => 2 * elements(y.shape) * columns(x.shape),
};

/** @param bias may be undefined. */
export function linear(x: Tensor, w: Tensor, bias?: Tensor, options: LinearOptions = {}): Tensor {
  checkOptions('linear', options, ['activation', 'residual', 'precision']);
  const { activation = 'none', residual, precision } = options;
  return x.graph.apply(linearOperation, [x, w, bias, residual], { activation, ...precisionAttribute(precision) })[0];
}

/** The shape rule of linear and its quantised twin; `inputs` are x, w, bias?, residual?. */
export function inferLinear(
  operation: string,
  [x, w, bias, residual]: readonly TensorType[],
  activation: Activation,
): TensorType {
  oneOf(`activation of ${operation}`, activation, ['none', 'relu', 'gelu']);
  expectRank(operation, 'w', w, 2, '(N, K)');
  const [n, k] = w.shape;
  expectColumns(operation, 'x', x, k, `w is (${n}, ${k})`);
  const y = [...x.shape.slice(0, -1), n];
  if (bias !== undefined) expectShape(operation, 'bias', bias, [n], `w is (${n}, ${k})`);
  if (residual !== undefined) expectShape(operation, 'residual', residual, y, 'that of the result');
  return f32(y);
}

export function activationOf(activation: Activation): (z: number) => number {
  if (activation === 'gelu') return geluOf;
  if (activation === 'relu') return reluOf;
  return (z) => z;
}

/** act(product + bias) + residual; absent operands are ''. */
export function onnxEpilogue(
  builder: OnnxBuilder,
  product: string,
  activation: Activation,
  bias: string,
  residual: string,
): string {
  let value = product;
  if (bias) value = builder.emit('Add', [value, bias])[0];
  if (activation === 'relu') value = builder.emit('Relu', [value])[0];
  if (activation === 'gelu') value = onnxGelu(builder, value);
  if (residual) value = builder.emit('Add', [value, residual])[0];
  return value;
}
