import { integer } from '../../core/options.js';
import { type Graph, INPUT, type Node, STATE, type Tensor } from '../ir.js';
import { elements } from '../operation.js';
import { liveNodes, type Rewriter, rewriteGraph } from '../rewrite.js';
import { memoryRoot } from '../updates.js';

export interface RecomputeOptions {
  /** Parts into which the forward pass is cut; default about the square root of the places where it can be. */
  segments?: number;
}

/**
 * Activation checkpointing: of the forward pass only the tensors at a few borders are kept; the backward pass computes the rest
 * again, segment by segment, when it comes to it. Memory for activations falls from all of them to the borders and one segment; the
 * forward work is done about twice. The same operations on the same operands, random masks by their counters, so the same bits.
 *
 * A border lies where one tensor alone goes on (the residual stream between layers). Source: Chen et al. 2016, "Training Deep Nets
 * with Sublinear Memory Cost", §4.
 *
 * @param graph after `differentiate`; its output `loss` is where the forward pass ends
 */
export function recomputeActivations(graph: Graph, { segments }: RecomputeOptions = {}): Graph {
  const loss = graph.outputs.get('loss');
  if (loss === undefined) return graph;
  const forward = [...liveNodes(graph)].filter((node) => node.id <= loss.node.id && !isSource(node));
  const borders = bordersOf(forward);
  const wanted = segments === undefined ? Math.round(Math.sqrt(borders.length)) : integer('segments', segments, 1) - 1;
  const chosen = evenly(borders, wanted);
  if (chosen.length === 0) return graph;
  const kept = new Set(chosen.map(({ tensor }) => tensor));
  // What follows the last border is used at once by the backward pass: there is nothing to win.
  const last = chosen[chosen.length - 1].node;
  const recomputable = new Set(forward.filter((node) => node.id <= last.id));

  const clones = new Map<Node, readonly Tensor[]>();
  return rewriteGraph(graph, (node, rewriter) => {
    if (node.id <= loss.node.id) return undefined;
    if (!node.inputs.some((input) => input && isInternal(input))) return undefined;
    const inputs = node.inputs.map((input) => input && again(input, rewriter));
    return rewriter.target.apply(node.operation, inputs, node.attrs);
  });

  function isInternal(tensor: Tensor): boolean {
    return recomputable.has(tensor.node) && !kept.has(memoryRoot(tensor));
  }

  /** The tensor computed a second time, from the borders; once for all its readers. */
  function again(tensor: Tensor, rewriter: Rewriter): Tensor {
    if (!isInternal(tensor)) return rewriter.get(tensor);
    const known = clones.get(tensor.node);
    if (known !== undefined) return known[tensor.index];
    const { node } = tensor;
    const inputs = node.inputs.map((input) => input && again(input, rewriter));
    const clone = rewriter.target.apply(node.operation, inputs, node.attrs);
    clones.set(node, clone);
    return clone[tensor.index];
  }
}

interface Border {
  /** The last node before it. */
  node: Node;
  /** What goes on. */
  tensor: Tensor;
}

/** The places in the forward pass over which one computed tensor alone is read later. */
function bordersOf(forward: readonly Node[]): Border[] {
  const lastReader = new Map<Tensor, number>();
  for (const node of forward) {
    for (const input of node.inputs) {
      if (input !== undefined && !isSource(input.node)) lastReader.set(memoryRoot(input), node.id);
    }
  }
  const borders: Border[] = [];
  const open = new Set<Tensor>();
  for (const node of forward) {
    for (const tensor of open) if (lastReader.get(tensor)! <= node.id) open.delete(tensor);
    for (const output of node.outputs) {
      const root = memoryRoot(output);
      if ((lastReader.get(root) ?? -1) > node.id && !isSource(root.node)) open.add(root);
    }
    if (open.size === 1) borders.push({ node, tensor: [...open][0] });
  }
  // One border for each tensor: the first, before anything else is computed from it.
  return borders.filter(({ tensor }, i) => borders.findIndex((other) => other.tensor === tensor) === i);
}

/** At most `count` of the borders, such that the work between them is about even; elements stand for work. */
function evenly(borders: readonly Border[], count: number): Border[] {
  if (count <= 0 || borders.length === 0) return [];
  const graph = borders[0].node.graph;
  const size = new Map<Border, number>();
  let sum = 0;
  let next = 0;
  for (const border of borders) {
    for (; next <= border.node.id; next++) {
      const node = graph.nodes[next];
      if (!isSource(node)) for (const { shape } of node.outputs) sum += elements(shape);
    }
    size.set(border, sum);
  }
  const chosen = Array.from({ length: count }, (_, i) => {
    const target = (sum * (i + 1)) / (count + 1);
    return borders.reduce((best, border) =>
      Math.abs(size.get(border)! - target) < Math.abs(size.get(best)! - target) ? border : best,
    );
  });
  return [...new Set(chosen)].sort((a, b) => a.node.id - b.node.id);
}

function isSource(node: Node): boolean {
  return node.operation === INPUT || node.operation === STATE;
}
