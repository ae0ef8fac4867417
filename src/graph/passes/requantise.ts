import type { Graph, Node, Tensor } from '../ir.js';
import { qlinearStaticOperation, scaleOfX, withResult } from '../ops/qlinear-static.js';
import { liveNodes, rewriteGraph } from '../rewrite.js';

type StaticAttributes = Parameters<typeof scaleOfX>[0];

/**
 * Lets a qlinear_static write its result as levels where only products that quantise it with one and the same scale read it:
 *   qlinear_static{s}(qlinear_static(x)) → qlinear_static{s}(qlinear_static{y: s}(x)).
 * A quarter of the memory between them, and no quantising pass. After fuseLinear. The levels are those that the reader would have found, but
 * that GELU is computed no finer than they are, and that a row with NaN becomes level 0.
 */
export function requantise(graph: Graph): Graph {
  if (!graph.nodes.some(isStatic)) return graph;
  const readers = new Map<Tensor, Node[]>();
  const live = liveNodes(graph);
  for (const node of live) {
    for (const input of node.inputs) {
      if (input !== undefined) readers.set(input, [...(readers.get(input) ?? []), node]);
    }
  }
  const named = new Set([...graph.outputs.values(), ...graph.updates.values()]);
  return rewriteGraph(graph, (node, rewriter) => {
    if (!isStatic(node) || node.attrs.yScale !== undefined) return undefined;
    const [y] = node.outputs;
    const [first, ...others] = readers.get(y) ?? [];
    if (named.has(y) || first === undefined || ![first, ...others].every((reader) => quantises(reader, y)))
      return undefined;
    const { scale, zero } = scaleOfX(first.attrs as StaticAttributes);
    if (others.some(({ attrs }) => attrs.xScale !== scale || attrs.xZero !== zero)) return undefined;
    const inputs = node.inputs.map((input) => input && rewriter.get(input));
    return rewriter.target.apply(
      qlinearStaticOperation,
      inputs,
      withResult(node.attrs as StaticAttributes, { scale, zero }),
    );
  });
}

function isStatic(node: Node): boolean {
  return (node.operation as unknown) === qlinearStaticOperation;
}

/** Whether the node reads the tensor as activations, and as nothing else. */
function quantises(node: Node, tensor: Tensor): boolean {
  return isStatic(node) && node.inputs.every((input, i) => (input === tensor) === (i === 0));
}
