import type { Graph, Node, Tensor } from '../ir.js';
import { matmulOperation } from '../ops/matmul.js';
import { matmulSumRowsOperation } from '../ops/matmul-sum-rows.js';
import { sumRowsOperation } from '../ops/sum-rows.js';
import { liveNodes, rewriteGraph } from '../rewrite.js';
import { memoryRoot } from '../updates.js';

/**
 * Sums the rows of a product where it is computed: c = matmul(…), sum_rows(c) → matmul_sum_rows(…). In a training graph c is the gradient before
 * an activation, and the sums are that of the bias: one pass over memory less. After fuseMatmul, whose factor and residual come before.
 */
export function fuseSumRows(graph: Graph): Graph {
  const sums = new Map<Node, Node>();
  for (const node of liveNodes(graph)) {
    if ((node.operation as unknown) !== sumRowsOperation) continue;
    const [x] = node.inputs as readonly Tensor[];
    const product = memoryRoot(x);
    const { operation, attrs, inputs } = product.node;
    const fits = (operation as unknown) === matmulOperation && product.shape.at(-1) === x.shape.at(-1);
    const plain = attrs.transA === false && inputs[1]?.shape.length === 2;
    if (fits && plain && !sums.has(product.node)) sums.set(product.node, node);
  }
  const replaced = new Map<Node, Tensor>();
  return rewriteGraph(graph, (node, rewriter) => {
    const known = replaced.get(node);
    if (known !== undefined) return [known];
    const sum = sums.get(node);
    if (sum === undefined) return undefined;
    const inputs = node.inputs.map((input) => input && rewriter.get(input));
    const { transA: _, ...attrs } = node.attrs as { transA: boolean; transB: boolean };
    const [c, total] = rewriter.target.apply(matmulSumRowsOperation, inputs, attrs);
    replaced.set(sum, total);
    return [c];
  });
}
