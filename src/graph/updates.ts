/** Where the new value of a state may be computed: directly in the state's buffer, or apart and copied at the end. */
import { FlashbookError } from '../core/errors.js';
import { type Graph, INPUT, type Node, STATE, sourceName, type Tensor } from './ir.js';
import { reshape, reshapeOperation } from './ops/reshape.js';
import { scale } from './ops/scale.js';
import { rewriteGraph } from './rewrite.js';

/** The tensor whose memory this one shows: itself, or what a chain of reshapes starts from. */
export function memoryRoot(tensor: Tensor): Tensor {
  let root = tensor;
  while ((root.node.operation as unknown) === reshapeOperation) root = root.node.inputs[0]!;
  return root;
}

/**
 * A copy of the graph in which no reshape shows a state: plans bind state buffers under their own shape alone, so that a
 * state under another shape is copied first.
 */
export function copyReshapedStates(graph: Graph): Graph {
  return rewriteGraph(graph, (node, rewriter) => {
    if ((node.operation as unknown) !== reshapeOperation) return undefined;
    const operand = node.inputs[0]!;
    const name = operand.node.operation === STATE && sourceName(operand);
    return name ? [reshape(copy(name, rewriter.get(operand)), node.outputs[0].shape)] : undefined;
  });
}

/**
 * Makes every update of the graph one that can be computed in its state buffer, by adding copies (at the end, where all
 * reads of old contents are done) for those that cannot. Changes `graph`, which the planner owns.
 */
export function materialiseUpdates(graph: Graph): Graph {
  // What lies in a state and is wanted after the run must be saved before buffers are overwritten.
  for (const [name, tensor] of graph.outputs) {
    if (tensor.node.operation === STATE && graph.updates.has(sourceName(tensor)!))
      graph.outputs.set(name, copy(name, tensor));
  }
  for (const [name, value] of graph.updates) {
    if (memoryRoot(value).node.operation === STATE) graph.updates.set(name, copy(name, value));
  }
  const direct = directUpdates(graph);
  for (const [name, value] of graph.updates) {
    if (direct.get(value) === name) continue;
    const { node } = value;
    if (node.operation.stores !== undefined) {
      throw new FlashbookError(
        'OPTION',
        `state '${name}' is written in place by ${node.operation.name}, but a later operation reads its old content`,
        { name },
      );
    }
    graph.updates.set(name, copy(name, value));
  }
  return graph;
}

/** Results → the state in whose buffer they are computed. Never one that is also read under another shape. */
export function directUpdates(graph: Graph): Map<Tensor, string> {
  const readers = stateReaders(graph);
  const reshaped = new Set(
    graph.nodes
      .filter((node) => (node.operation as unknown) === reshapeOperation)
      .map((node) => memoryRoot(node.outputs[0])),
  );
  const direct = new Map<Tensor, string>();
  for (const [name, value] of graph.updates) {
    const { node } = value;
    if (node.operation === INPUT || node.operation === STATE || direct.has(value) || reshaped.has(memoryRoot(value)))
      continue;
    const safe = (readers.get(name) ?? []).every(
      (reader) => reader.id < node.id || (reader === node && mayOverwrite(node, value.index, name)),
    );
    if (safe) direct.set(value, name);
  }
  return direct;
}

function stateReaders(graph: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    if ((node.operation as unknown) === reshapeOperation) continue;
    for (const input of node.inputs) {
      const name = input && memoryRoot(input).node.operation === STATE ? sourceName(memoryRoot(input)) : undefined;
      if (name === undefined) continue;
      const list = readers.get(name) ?? [];
      list.push(node);
      readers.set(name, list);
    }
  }
  return readers;
}

/** True if the node may write its result over each of its operands that lie in state `name`. */
function mayOverwrite(node: Node, result: number, name: string): boolean {
  const { operation, inputs } = node;
  const stores = operation.stores?.(inputs.length) ?? [];
  const stored = stores.filter(([output]) => output === result).map(([, operand]) => operand);
  const allowed = result === 0 ? (operation.inPlace?.(inputs as readonly Tensor[]) ?? []) : [];
  return inputs.every((input, i) => {
    if (input === undefined || sourceName(memoryRoot(input)) !== name || memoryRoot(input).node.operation !== STATE)
      return true;
    return stored.includes(i) || allowed.includes(i);
  });
}

function copy(name: string, value: Tensor): Tensor {
  if (value.dtype !== 'f32') {
    throw new FlashbookError('SHAPE', `'${name}': a tensor of dtype ${value.dtype} cannot be copied out of a state`, {
      name,
    });
  }
  return scale(value, 1);
}
