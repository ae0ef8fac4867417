/**
 * Tools of the passes. A pass is a function Graph → Graph that leaves its argument as it was: it copies node by node and puts
 * something else where a rule says so.
 */
import { FlashbookError } from '../core/errors.js';
import { Graph, INPUT, type Node, STATE, type Tensor } from './ir.js';

/** The results that stand for `node` in the new graph, or undefined to copy it. */
export type Rule = (node: Node, rewriter: Rewriter) => readonly Tensor[] | undefined;

export class Rewriter {
  readonly target = new Graph();
  readonly #map = new Map<Tensor, Tensor>();

  constructor(readonly source: Graph) {}

  /** The tensor of the new graph that stands for one of the old graph whose node was already visited. */
  get(tensor: Tensor): Tensor {
    const mapped = this.#map.get(tensor);
    if (mapped === undefined) {
      const { operation, id } = tensor.node;
      throw new FlashbookError('INTERNAL', `rewriting: ${operation.name} ${id} is not visited yet, or not needed`);
    }
    return mapped;
  }

  /** Applies the node's operation to the new graph's operands. */
  copy(node: Node): readonly Tensor[] {
    if (typeof node.attrs.stream === 'number') this.target.reserveStream(node.attrs.stream);
    const inputs = node.inputs.map((input) => input && this.get(input));
    return this.target.apply(node.operation, inputs, node.attrs);
  }

  /** For rewriteGraph. */
  bind(from: readonly Tensor[], to: readonly Tensor[]): void {
    for (const [i, tensor] of from.entries()) if (to[i] !== undefined) this.#map.set(tensor, to[i]);
  }
}

/**
 * Copies a graph, asking `rule` about every live node in order. Names of inputs, states, outputs and updates stay, so a
 * caller finds its tensors again by name. What nothing needs any more falls away, unused states included; inputs stay.
 */
export function rewriteGraph(source: Graph, rule: Rule): Graph {
  return withoutDeadCode(copyLive(source, rule));
}

/** A copy without the nodes and states that no output and no update needs. All inputs stay: they are the interface. */
export function withoutDeadCode(source: Graph): Graph {
  return copyLive(source, () => undefined);
}

function copyLive(source: Graph, rule: Rule): Graph {
  const rewriter = new Rewriter(source);
  const { target } = rewriter;
  const live = liveNodes(source);
  for (const [name, tensor] of source.inputs) rewriter.bind([tensor], [target.input(name, tensor.shape, tensor.dtype)]);
  for (const [name, { tensor, trainable, value }] of source.states) {
    if (!live.has(tensor.node) && !source.updates.has(name)) continue;
    const { shape, dtype } = tensor;
    const copy =
      value === undefined
        ? target.state(name, shape, dtype, { trainable })
        : target.constant(name, shape, value, dtype);
    rewriter.bind([tensor], [copy]);
  }
  for (const node of live) {
    if (node.operation !== INPUT && node.operation !== STATE) {
      rewriter.bind(node.outputs, rule(node, rewriter) ?? rewriter.copy(node));
    }
  }
  for (const [name, tensor] of source.outputs) target.output(name, rewriter.get(tensor));
  for (const [name, tensor] of source.updates) target.update(name, rewriter.get(tensor));
  return target;
}

/** The nodes that outputs and updates need, in order. */
export function liveNodes(graph: Graph): Set<Node> {
  const needed = new Set<Node>();
  for (const tensor of [...graph.outputs.values(), ...graph.updates.values()]) needed.add(tensor.node);
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id];
    if (needed.has(node)) for (const input of node.inputs) if (input !== undefined) needed.add(input.node);
  }
  return new Set(graph.nodes.filter((node) => needed.has(node)));
}

/** How often each tensor is read by live nodes, outputs and updates. */
export function countUses(graph: Graph): Map<Tensor, number> {
  const uses = new Map<Tensor, number>();
  const use = (tensor: Tensor | undefined) => tensor && uses.set(tensor, (uses.get(tensor) ?? 0) + 1);
  for (const node of liveNodes(graph)) node.inputs.forEach(use);
  for (const tensor of graph.outputs.values()) use(tensor);
  for (const tensor of graph.updates.values()) use(tensor);
  return uses;
}
