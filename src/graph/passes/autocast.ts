import type { Graph, Node } from '../ir.js';
import { attentionOperation } from '../ops/attention.js';
import { attentionLastOperation } from '../ops/attention-last.js';
import { conv2dOperation } from '../ops/conv2d.js';
import { expertsOperation } from '../ops/experts.js';
import { linearOperation } from '../ops/linear.js';
import { lstmOperation } from '../ops/lstm.js';
import { matmulOperation } from '../ops/matmul.js';
import { liveNodes, rewriteGraph } from '../rewrite.js';

/** The operations that multiply matrices and take the attribute `precision`. */
const PRODUCTS = new Set<unknown>([
  ...[linearOperation, matmulOperation, attentionOperation, attentionLastOperation],
  ...[conv2dOperation, lstmOperation, expertsOperation],
]);

/**
 * Mixed precision: linear, matmul, attention, conv2d, lstm and experts round their operands to bf16 where they multiply them. Parameters,
 * what is between the products, and all sums stay float32. The last product before a result of the graph, a head's logits, stays float32
 * too, and with it all that follows, the loss. An explicit `precision` is left as it is.
 *
 * For training before differentiate(): the gradient's products then have the precision of the products that they belong to.
 * Source: Micikevicius et al. 2018, "Mixed Precision Training" (arXiv:1710.03740); bf16 needs no loss scaling (Kalamkar et al.
 * 2019, arXiv:1905.12322).
 */
export function autocast(graph: Graph): Graph {
  const last = lastProducts(graph);
  return rewriteGraph(graph, (node, rewriter) => {
    if (!PRODUCTS.has(node.operation) || last.has(node) || node.attrs.precision !== undefined) return undefined;
    const inputs = node.inputs.map((input) => input && rewriter.get(input));
    return rewriter.target.apply(node.operation, inputs, { ...node.attrs, precision: 'bf16' });
  });
}

/** The products from which a result is reached without another product. */
function lastProducts(graph: Graph): Set<Node> {
  const reaching = new Set<Node>();
  for (const tensor of [...graph.outputs.values(), ...graph.updates.values()]) reaching.add(tensor.node);
  const last = new Set<Node>();
  for (const node of [...liveNodes(graph)].reverse()) {
    if (!reaching.has(node)) continue;
    if (PRODUCTS.has(node.operation)) last.add(node);
    else for (const input of node.inputs) if (input !== undefined) reaching.add(input.node);
  }
  return last;
}
