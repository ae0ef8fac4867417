import { FlashbookError } from '../../core/errors.js';
import { checkOptions } from '../../core/options.js';
import { checkPrecision, operandData, type Precision, precisionAttribute } from '../bf16.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation, rows, type TensorType } from '../operation.js';
import { expectShape, formatShape, shapeError } from '../shape.js';
import { mul } from './mul.js';
import { reshape } from './reshape.js';

type MatmulAttributes = { transA: boolean; transB: boolean; precision?: Precision };

/**
 * C = (op(a) · op(b)) ∘ factor + residual, where op transposes if asked. a and b are seen as matrices (rows × columns: all
 * leading dimensions are rows). Without transA the leading dimensions of a are kept in the result. factor and residual (the
 * shape of the result) may be absent; fuseMatmul puts them there. With precision 'bf16' a and b are rounded to bf16
 * before they are multiplied, here and in the gradient (as if rounding were the identity). ONNX gets the float32 form.
 */
export const matmulOperation: Operation<MatmulAttributes> = {
  name: 'matmul',
  operands: ['a', 'b', 'factor?', 'residual?'],
  results: ['c'],
  infer([a, b, factor, residual], { transA, transB, precision }) {
    checkPrecision('matmul', precision);
    for (const [name, type] of [
      ['a', a],
      ['b', b],
    ] as const) {
      if (type.shape.length < 2) throw shapeError('matmul', name, 'at least 2 dimensions', type.shape);
    }
    const { inner, bInner, n, m } = sizes(a, b, transA, transB);
    if (inner !== bInner) {
      const side = transB ? 'columns' : 'rows';
      throw shapeError('matmul', 'b', `${inner} ${side} (a is ${formatShape(a.shape)}, transA ${transA})`, b.shape);
    }
    const c = transA ? [m, n] : [...a.shape.slice(0, -1), n];
    if (factor !== undefined) expectShape('matmul', 'factor', factor, c, 'that of the result');
    if (residual !== undefined) expectShape('matmul', 'residual', residual, c, 'that of the result');
    return [f32(c)];
  },
  reference([a, b, factor, residual], { transA, transB, precision }, [c]) {
    const { m, n, inner } = sizes(a, b, transA, transB);
    const [left, right] = [operandData(a.data, precision), operandData(b.data, precision)];
    const [aRow, aInner] = transA ? [1, m] : [inner, 1];
    const [bColumn, bInner] = transB ? [inner, 1] : [1, n];
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += left[i * aRow + k * aInner] * right[j * bColumn + k * bInner];
        const at = i * n + j;
        if (factor !== undefined) sum *= factor.data[at];
        c.data[at] = residual === undefined ? sum : sum + residual.data[at];
      }
    }
  },
  gradient({ inputs: [a, b, factor, residual], attrs: { transA, transB, precision } }, [dy], needed) {
    if (dy === undefined) return [];
    const dc = factor === undefined ? dy : mul(dy, factor);
    const product = (left: Tensor, right: Tensor, options: Partial<MatmulAttributes>) =>
      matmul(left, right, { ...options, precision });
    // C = op(a)·op(b):  d op(a) = dC·op(b)ᵀ,  d op(b) = op(a)ᵀ·dC.
    const da = () => (transA ? product(b, dc, { transA: transB, transB: true }) : product(dc, b, { transB: !transB }));
    const db = () => (transB ? product(dc, a, { transA: true, transB: transA }) : product(a, dc, { transA: !transA }));
    return [
      needed[0] ? reshape(da(), a.shape) : undefined,
      needed[1] ? reshape(db(), b.shape) : undefined,
      factor && needed[2] ? mul(dy, product(a, b, { transA, transB })) : undefined,
      residual && dy,
    ];
  },
  onnx(builder, { inputs: [, b], attrs: { transA, transB } }, [left, right, factor, residual]) {
    if (transA || b.shape.length !== 2) {
      throw new FlashbookError('OPTION', 'matmul: only a·b and a·bᵀ with a two-dimensional b have an ONNX form');
    }
    const transposed = transB ? builder.emit('Transpose', [right], { perm: [1, 0] })[0] : right;
    let [product] = builder.emit('MatMul', [left, transposed]);
    if (factor) [product] = builder.emit('Mul', [product, factor]);
    if (residual) [product] = builder.emit('Add', [product, residual]);
    return [product];
  },
  flops: ([a], [c], { transA }) => 2 * elements(c.shape) * (transA ? rows(a.shape) : columns(a.shape)),
};

export function matmul(a: Tensor, b: Tensor, options: Partial<MatmulAttributes> = {}): Tensor {
  checkOptions('matmul', options, ['transA', 'transB', 'precision']);
  const { transA = false, transB = false, precision } = options;
  return a.graph.apply(matmulOperation, [a, b], { transA, transB, ...precisionAttribute(precision) })[0];
}

function sizes(a: TensorType, b: TensorType, transA: boolean, transB: boolean) {
  const [m, inner] = transA ? [columns(a.shape), rows(a.shape)] : [rows(a.shape), columns(a.shape)];
  const [n, bInner] = transB ? [rows(b.shape), columns(b.shape)] : [columns(b.shape), rows(b.shape)];
  return { m, n, inner, bInner };
}
