import type { Graph, Node, Tensor } from '../ir.js';
import { dropoutOperation } from '../ops/dropout.js';
import { dropoutAddNormGradOperation } from '../ops/dropout-add-norm-grad.js';
import { layerNormGradOperation } from '../ops/layer-norm-grad.js';
import { sumRowsOperation } from '../ops/sum-rows.js';
import { liveNodes, rewriteGraph } from '../rewrite.js';
import { memoryRoot } from '../updates.js';

/**
 * Joins what the backward pass does at a residual connection with dropout before a layer norm:
 *   d = layer_norm_grad(dy, …, past), dx = dropout(d), sum_rows(dx) → dropout_add_norm_grad(dy, …, past).
 * The rows lie in the cache from the first of these to the last. For training graphs, after fuseNormGrad. Sums of rows are cut elsewhere, so
 * that their last bits may differ.
 */
export function fuseResidualGrad(graph: Graph): Graph {
  const drops = new Map<Node, Node>();
  const sums = new Map<Node, Node>();
  for (const node of liveNodes(graph)) {
    const [input] = node.inputs as readonly Tensor[];
    if ((node.operation as unknown) === dropoutOperation) {
      const { node: norm, index } = input;
      const fits =
        (norm.operation as unknown) === layerNormGradOperation && index === 0 && norm.inputs[5] !== undefined;
      if (fits && node.inputs[1]!.node.id < norm.id && !drops.has(norm)) drops.set(norm, node);
    } else if ((node.operation as unknown) === sumRowsOperation) {
      const dx = memoryRoot(input);
      // A reshape between them must have left the columns as they were.
      if (dx.shape.at(-1) === input.shape.at(-1) && !sums.has(dx.node)) sums.set(dx.node, node);
    }
  }
  const replaced = new Map<Node, Tensor>();
  return rewriteGraph(graph, (node, rewriter) => {
    const known = replaced.get(node);
    if (known !== undefined) return [known];
    const drop = drops.get(node);
    if (drop === undefined) return undefined;
    const attrs = drop.attrs as { p: number; stream: number };
    rewriter.target.reserveStream(attrs.stream);
    const inputs = [...node.inputs, drop.inputs[1]].map((input) => rewriter.get(input!));
    const [dresidual, dgamma, dbeta, dx, dbias] = rewriter.target.apply(dropoutAddNormGradOperation, inputs, attrs);
    replaced.set(drop, dx);
    const sum = sums.get(drop);
    if (sum !== undefined) replaced.set(sum, dbias);
    return [dresidual, dgamma, dbeta];
  });
}
