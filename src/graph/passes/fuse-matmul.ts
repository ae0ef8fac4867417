import type { Graph, Node, Tensor } from '../ir.js';
import { addOperation } from '../ops/add.js';
import { matmulOperation } from '../ops/matmul.js';
import { mulOperation } from '../ops/mul.js';
import { countUses, type Rewriter, rewriteGraph } from '../rewrite.js';
import { sameShape } from '../shape.js';

/** Places of the operands `factor` and `residual` of matmul. */
const FACTOR = 2;
const RESIDUAL = 3;

/**
 * Puts a product of the same shape, and then an addition, into the matmul whose result nothing else reads:
 *   mul(matmul(a, b), f) → matmul(a, b, factor = f),   add(r, matmul(a, b)) → matmul(a, b, residual = r).
 * One pass over memory less for each: the slope of GELU, and the gradients that meet at a residual connection. For training
 * graphs, after storeGeluSlope. The same roundings, so results stay the same to the bit.
 */
export function fuseMatmul(graph: Graph): Graph {
  const uses = countUses(graph);
  return rewriteGraph(graph, (node, rewriter) => {
    if ((node.operation as unknown) === mulOperation) return fuse(node, FACTOR, uses, rewriter);
    if ((node.operation as unknown) === addOperation) return fuse(node, RESIDUAL, uses, rewriter);
    return undefined;
  });
}

function fuse(
  node: Node,
  place: number,
  uses: ReadonlyMap<Tensor, number>,
  rewriter: Rewriter,
): readonly Tensor[] | undefined {
  const [a, b] = node.inputs as readonly Tensor[];
  if (a === b || !sameShape(a.shape, b.shape)) return undefined;
  for (const [product, other] of [
    [b, a],
    [a, b],
  ] as const) {
    if (uses.get(product) !== 1) continue;
    const host = rewriter.get(product).node;
    // A factor comes before a residual: nothing is multiplied any more once something has been added.
    const free = host.inputs[RESIDUAL] === undefined && host.inputs[place] === undefined;
    if ((host.operation as unknown) !== matmulOperation || !free) continue;
    const inputs = Array.from({ length: 4 }, (_, i) => (i === place ? rewriter.get(other) : host.inputs[i]));
    return rewriter.target.apply(host.operation, inputs, host.attrs);
  }
  return undefined;
}
