import { checkOptions, integer } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { f32, type Operation, type TensorType } from '../operation.js';
import { expectRank, shapeError } from '../shape.js';
import { embeddingGrad } from './embedding-grad.js';

/** padding: the row that takes no gradient; −1: none. */
export type EmbeddingAttributes = { padding: number };

/**
 * y[i] = table[indices[i]]. table (V, D), indices int32 (…) → y (…, D). An index outside 0 … V − 1 gives a row of NaN: nothing outside the table
 * is read, and a run has no error of its own. Gradient: embedding_grad. ONNX: Gather, for indices within the table (it refuses V and more, and
 * counts negative ones from the end).
 */
export const embeddingOperation: Operation<EmbeddingAttributes> = {
  name: 'embedding',
  operands: ['table', 'indices:i32'],
  results: ['y'],
  infer([table, indices], { padding }) {
    expectRank('embedding', 'table', table, 2, '(V, D)');
    expectIndices('embedding', indices);
    integer('padding of embedding', padding, -1, table.shape[0] - 1);
    return [f32([...indices.shape, table.shape[1]])];
  },
  reference([table, indices], _, [y]) {
    const [count, d] = table.shape;
    for (const [i, index] of indices.data.entries()) {
      if (index < 0 || index >= count) y.data.fill(Number.NaN, i * d, (i + 1) * d);
      else y.data.set(table.data.subarray(index * d, (index + 1) * d), i * d);
    }
  },
  gradient: ({ inputs: [table, indices], attrs: { padding } }, [dy]) => [
    dy && embeddingGrad(dy, indices, { count: table.shape[0], padding }),
    undefined,
  ],
  onnx: (builder, _, [table, indices]) => builder.emit('Gather', [table, indices], { axis: 0 }),
  flops: () => 0,
};

/**
 * Rows of a table by their indices, as torch.nn.functional.embedding.
 *
 * @param table (V, D).
 * @param indices int32 of any shape, each in 0 … V − 1; one outside gives a row of NaN.
 * @param options.padding the index whose row takes no gradient; without it every row does.
 * @returns (…, D) with the leading dimensions of indices.
 */
export function embedding(table: Tensor, indices: Tensor, options: { padding?: number } = {}): Tensor {
  checkOptions('embedding', options, ['padding']);
  const { padding } = options;
  expectRank('embedding', 'table', table, 2, '(V, D)');
  if (padding !== undefined) integer('padding of embedding', padding, 0, table.shape[0] - 1);
  return table.graph.apply(embeddingOperation, [table, indices], { padding: padding ?? -1 })[0];
}

/** The kernels want at least one dimension. */
export function expectIndices(operation: string, indices: TensorType): void {
  if (indices.shape.length === 0) throw shapeError(operation, 'indices', 'at least one dimension', indices.shape);
}
