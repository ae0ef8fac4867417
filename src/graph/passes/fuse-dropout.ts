import type { Graph, Node, Tensor } from '../ir.js';
import type { Operation } from '../operation.js';
import { addOperation } from '../ops/add.js';
import { dropoutOperation } from '../ops/dropout.js';
import { dropoutAddOperation } from '../ops/dropout-add.js';
import { geluOperation } from '../ops/gelu.js';
import { geluDropoutOperation } from '../ops/gelu-dropout.js';
import { geluDropoutGradOperation } from '../ops/gelu-dropout-grad.js';
import { geluGradOperation } from '../ops/gelu-grad.js';
import { countUses, type Rewriter, rewriteGraph } from '../rewrite.js';
import { sameShape } from '../shape.js';

/**
 * Joins dropout with its neighbour where nothing else reads what lies between them:
 *   dropout(gelu(x)) → gelu_dropout(x),   gelu_grad(dropout(dy), x) → gelu_dropout_grad(dy, x),
 *   add(r, dropout(x)) → dropout_add(x, r).
 * One pass over memory less for each; for training graphs, after differentiation. Results stay the same to the bit.
 */
export function fuseDropout(graph: Graph): Graph {
  const uses = countUses(graph);
  const rules = new Map<unknown, (node: Node, rewriter: Rewriter) => readonly Tensor[] | undefined>([
    [
      dropoutOperation,
      ({ inputs: [x, rng], attrs }, rewriter) => {
        const gelu = producer(x!, geluOperation, uses, rewriter);
        return gelu && apply(rewriter, geluDropoutOperation, [gelu.inputs[0]!, rewriter.get(rng!)], attrs);
      },
    ],
    [
      geluGradOperation,
      ({ inputs: [dy, x] }, rewriter) => {
        const dropped = producer(dy!, dropoutOperation, uses, rewriter);
        if (dropped === undefined) return undefined;
        const [source, rng] = dropped.inputs as readonly Tensor[];
        return apply(rewriter, geluDropoutGradOperation, [source, rewriter.get(x!), rng], dropped.attrs);
      },
    ],
    [
      addOperation,
      ({ inputs }, rewriter) => {
        const [a, b] = inputs as readonly Tensor[];
        if (a === b || !sameShape(a.shape, b.shape)) return undefined;
        for (const [branch, residual] of [
          [b, a],
          [a, b],
        ] as const) {
          const dropped = producer(branch, dropoutOperation, uses, rewriter);
          if (dropped === undefined) continue;
          const [source, rng] = dropped.inputs as readonly Tensor[];
          return apply(rewriter, dropoutAddOperation, [source, rewriter.get(residual), rng], dropped.attrs);
        }
        return undefined;
      },
    ],
  ]);
  return rewriteGraph(graph, (node, rewriter) => rules.get(node.operation)?.(node, rewriter));
}

/** The new graph's node behind `tensor`, if it is that operation and nothing else reads its result. */
function producer(
  tensor: Tensor,
  operation: unknown,
  uses: ReadonlyMap<Tensor, number>,
  rewriter: Rewriter,
): Node | undefined {
  if (uses.get(tensor) !== 1) return undefined;
  const { node } = rewriter.get(tensor);
  return (node.operation as unknown) === operation ? node : undefined;
}

function apply(
  { target }: Rewriter,
  operation: Operation<{ p: number; stream: number }>,
  inputs: readonly Tensor[],
  attrs: Node['attrs'],
): readonly Tensor[] {
  const { p, stream } = attrs as { p: number; stream: number };
  target.reserveStream(stream);
  return target.apply(operation, inputs, { p, stream });
}
