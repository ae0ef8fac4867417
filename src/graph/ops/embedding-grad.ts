import { integer } from '../../core/options.js';
import type { Tensor } from '../ir.js';
import { columns, elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';
import { expectIndices } from './embedding.js';

/** count: rows of the table. padding: the row whose gradient is 0; −1: none. */
export type EmbeddingGradAttributes = { count: number; padding: number };

/**
 * dtable[v] = Σ dy[i] over the positions i with indices[i] = v, in rising order of i; 0 for the row `padding`. An index outside the table has no
 * row and is left out. dy (…, D), indices int32 (…) → dtable (count, D).
 */
export const embeddingGradOperation: Operation<EmbeddingGradAttributes> = {
  name: 'embedding_grad',
  operands: ['dy', 'indices:i32'],
  results: ['dtable'],
  infer([dy, indices], { count, padding }) {
    integer('count of embedding_grad', count, 1);
    integer('padding of embedding_grad', padding, -1, count - 1);
    expectIndices('embedding_grad', indices);
    const d = columns(dy.shape);
    expectShape('embedding_grad', 'dy', dy, [...indices.shape, d], 'one row an index');
    return [f32([count, d])];
  },
  reference([dy, indices], { count, padding }, [dTable]) {
    const d = columns(dy.shape);
    for (const [i, index] of indices.data.entries()) {
      if (index < 0 || index >= count || index === padding) continue;
      for (let j = 0; j < d; j++) dTable.data[index * d + j] += dy.data[i * d + j];
    }
  },
  flops: ([dy]) => elements(dy.shape),
};

export function embeddingGrad(dy: Tensor, indices: Tensor, attrs: EmbeddingGradAttributes): Tensor {
  return dy.graph.apply(embeddingGradOperation, [dy, indices], attrs)[0];
}
