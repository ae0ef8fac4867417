import type { Graph, Node, Tensor } from '../ir.js';
import { addOperation } from '../ops/add.js';
import { layerNormGradOperation } from '../ops/layer-norm-grad.js';
import { countUses, liveNodes, rewriteGraph } from '../rewrite.js';
import { sameShape } from '../shape.js';

/** Place of the operand `residual` of layer_norm_grad. */
const RESIDUAL = 5;

/**
 * Adds the gradient that comes past a layer norm, over the residual connection, where the layer's own is computed:
 *   add(r, layer_norm_grad(dy, …).dx) → layer_norm_grad(dy, …, residual = r).dx,
 * if nothing else reads dx and r is computed before. One pass over memory less; the same roundings, so results stay the same to the
 * bit. For training graphs.
 */
export function fuseNormGrad(graph: Graph): Graph {
  const uses = countUses(graph);
  const residuals = new Map<Node, Tensor>();
  const sums = new Map<Node, Tensor>();
  for (const node of liveNodes(graph)) {
    if ((node.operation as unknown) !== addOperation) continue;
    const [a, b] = node.inputs as readonly Tensor[];
    for (const [dx, residual] of [
      [b, a],
      [a, b],
    ] as const) {
      const { node: host } = dx;
      const free = (host.operation as unknown) === layerNormGradOperation && dx.index === 0 && uses.get(dx) === 1;
      const fits = a !== b && sameShape(a.shape, b.shape) && residual.node.id < host.id;
      if (!free || !fits || host.inputs[RESIDUAL] !== undefined || residuals.has(host)) continue;
      residuals.set(host, residual);
      sums.set(node, dx);
      break;
    }
  }
  return rewriteGraph(graph, (node, rewriter) => {
    const dx = sums.get(node);
    if (dx !== undefined) return [rewriter.get(dx)];
    const residual = residuals.get(node);
    if (residual === undefined) return undefined;
    const inputs = [...node.inputs.slice(0, RESIDUAL), residual].map((input) => rewriter.get(input!));
    return rewriter.target.apply(node.operation, inputs, node.attrs);
  });
}
