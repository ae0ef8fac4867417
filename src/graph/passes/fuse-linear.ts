import type { Graph, Node, Tensor } from '../ir.js';
import type { Operation } from '../operation.js';
import { addOperation } from '../ops/add.js';
import { geluOperation } from '../ops/gelu.js';
import { linearOperation } from '../ops/linear.js';
import { qlinearOperation } from '../ops/qlinear.js';
import { qlinearStaticOperation } from '../ops/qlinear-static.js';
import { reluOperation } from '../ops/relu.js';
import { countUses, type Rewriter, rewriteGraph } from '../rewrite.js';
import { sameShape } from '../shape.js';

/** Position of the operand `residual` of the operations that can take an activation and a residual. */
const RESIDUAL = new Map<unknown, number>([
  [linearOperation, 3],
  [qlinearOperation, 4],
  [qlinearStaticOperation, 4],
]);

const ACTIVATION = new Map<unknown, string>([
  [reluOperation, 'relu'],
  [geluOperation, 'gelu'],
]);

/**
 * Puts an activation, and then an addition of the same shape, into the linear whose result nothing else reads:
 *   gelu(linear(x)) → linear{gelu}(x),   add(r, linear(x)) → linear(x, residual = r).
 * One pass over memory less for each. The sums are rounded alike, so results stay the same to the bit.
 */
export function fuseLinear(graph: Graph): Graph {
  const uses = countUses(graph);
  return rewriteGraph(graph, (node, rewriter) => {
    const activation = ACTIVATION.get(node.operation);
    if (activation !== undefined) return fuseActivation(node, activation, uses, rewriter);
    if ((node.operation as unknown) === addOperation) return fuseResidual(node, uses, rewriter);
    return undefined;
  });
}

function fuseActivation(
  node: Node,
  activation: string,
  uses: ReadonlyMap<Tensor, number>,
  rewriter: Rewriter,
): readonly Tensor[] | undefined {
  const host = fusibleHost(node.inputs[0]!, uses, rewriter);
  if (host === undefined || host.attrs.activation !== 'none') return undefined;
  return rewriter.target.apply(host.operation, host.inputs, { ...host.attrs, activation });
}

function fuseResidual(
  node: Node,
  uses: ReadonlyMap<Tensor, number>,
  rewriter: Rewriter,
): readonly Tensor[] | undefined {
  const [a, b] = node.inputs as readonly Tensor[];
  if (a === b || !sameShape(a.shape, b.shape)) return undefined;
  for (const [linear, residual] of [
    [b, a],
    [a, b],
  ] as const) {
    const host = fusibleHost(linear, uses, rewriter);
    if (host === undefined) continue;
    const inputs = [...host.inputs];
    inputs[RESIDUAL.get(host.operation)!] = rewriter.get(residual);
    return rewriter.target.apply(host.operation as Operation, inputs, host.attrs);
  }
  return undefined;
}

/** The new graph's linear behind `tensor`, if it has no residual yet and nothing else reads its result. */
function fusibleHost(tensor: Tensor, uses: ReadonlyMap<Tensor, number>, rewriter: Rewriter): Node | undefined {
  if (uses.get(tensor) !== 1) return undefined;
  const host = rewriter.get(tensor).node;
  const residual = RESIDUAL.get(host.operation);
  const free = residual !== undefined && host.inputs[residual] === undefined && host.outputs.length === 1;
  return free ? host : undefined;
}
