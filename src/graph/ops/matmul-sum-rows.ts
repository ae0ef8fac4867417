import type { Precision } from '../bf16.js';
import { columns, elements, f32, type Operation } from '../operation.js';
import { matmulOperation } from './matmul.js';
import { sumRowsOperation } from './sum-rows.js';

/**
 * c = (a · op(b)) ∘ factor + residual as matmul has it without transA, and the sums of its columns over all rows: the gradient before an
 * activation and that of the bias there. a (…, K), b (K, N) or with transB (N, K), factor and residual (…, N) or absent → c (…, N),
 * sums (N). What fuseSumRows makes of a training graph.
 */
export const matmulSumRowsOperation: Operation<{ transB: boolean; precision?: Precision }> = {
  name: 'matmul_sum_rows',
  operands: ['a', 'b', 'factor?', 'residual?'],
  results: ['c', 'sums'],
  infer(inputs, attrs) {
    const [c] = matmulOperation.infer(inputs, { ...attrs, transA: false });
    return [c, f32([columns(c.shape)])];
  },
  reference(inputs, attrs, [c, sums]) {
    matmulOperation.reference(inputs, { ...attrs, transA: false }, [c]);
    sumRowsOperation.reference([c], {}, [sums]);
  },
  flops: ([a], [c]) => elements(c.shape) * (2 * columns(a.shape) + 1),
};
