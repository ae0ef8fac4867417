/** Which tensors share memory, and from which step to which step that memory is in use. */

import { DTYPE_BYTES } from '../native/plan-spec.js';
import type { Block } from './arena.js';
import type { Graph, Node, Tensor } from './ir.js';
import { elements } from './operation.js';
import { directUpdates, memoryRoot } from './updates.js';

/** Memory of one or several tensors. `first` is −1 for what the caller fills before the run. */
export interface Storage extends Block {
  last: number;
  /** The state buffer that it is; undefined in the arena. */
  readonly state?: string;
}

/** Gives each tensor of a graph its storage. `steps` are the nodes that run, in order. */
export function assignStorage(graph: Graph, steps: readonly Node[], { reuse = true } = {}): Map<Tensor, Storage> {
  const lastReads = findLastReads(graph, steps);
  const direct = directUpdates(graph);
  const byRoot = new Map<Tensor, Storage>();
  for (const tensor of graph.inputs.values()) byRoot.set(tensor, newStorage(tensor, -1, lastReads));
  for (const [name, { tensor }] of graph.states)
    byRoot.set(tensor, { bytes: 0, first: -1, last: steps.length, state: name });

  for (const [position, node] of steps.entries()) {
    const taken = reuse ? operandToOverwrite(node, position, byRoot, lastReads, direct) : undefined;
    for (const output of node.outputs) {
      const state = direct.get(output);
      if (state !== undefined) {
        byRoot.set(output, byRoot.get(graph.states.get(state)!.tensor)!);
      } else if (taken !== undefined && output.index === 0) {
        taken.last = Math.max(taken.last, lastReads.get(output) ?? position);
        byRoot.set(output, taken);
      } else {
        byRoot.set(output, newStorage(output, position, lastReads));
      }
    }
  }
  const storages = new Map<Tensor, Storage>();
  for (const node of graph.nodes)
    for (const output of node.outputs) storages.set(output, byRoot.get(memoryRoot(output))!);
  return storages;
}

function newStorage(tensor: Tensor, first: number, lastReads: ReadonlyMap<Tensor, number>): Storage {
  const bytes = elements(tensor.shape) * DTYPE_BYTES[tensor.dtype];
  return { bytes, first, last: Math.max(first, lastReads.get(tensor) ?? first) };
}

/** The last step that reads each memory root; outputs are read after the last step. */
function findLastReads(graph: Graph, steps: readonly Node[]): Map<Tensor, number> {
  const last = new Map<Tensor, number>();
  for (const [position, node] of steps.entries()) {
    for (const input of node.inputs) if (input !== undefined) last.set(memoryRoot(input), position);
  }
  for (const tensor of graph.outputs.values()) last.set(memoryRoot(tensor), steps.length);
  return last;
}

/** The storage of an operand that the first result may take over, if there is one. */
function operandToOverwrite(
  node: Node,
  position: number,
  byRoot: ReadonlyMap<Tensor, Storage>,
  lastReads: ReadonlyMap<Tensor, number>,
  direct: ReadonlyMap<Tensor, string>,
): Storage | undefined {
  const [result] = node.outputs;
  if (direct.has(result)) return undefined;
  const operands = node.inputs as readonly Tensor[];
  const candidates = node.operation.inPlace?.(operands) ?? [];
  for (const candidate of candidates) {
    const root = memoryRoot(operands[candidate]);
    const storage = byRoot.get(root)!;
    const free = storage.state === undefined && storage.last === position && lastReads.get(root) === position;
    if (!free || storage.bytes !== elements(result.shape) * DTYPE_BYTES[result.dtype]) continue;
    // Another operand in the same memory is safe only if it is read element by element alike.
    const alone = operands.every(
      (operand, i) => candidates.includes(i) || operand === undefined || byRoot.get(memoryRoot(operand)) !== storage,
    );
    if (alone) return storage;
  }
  return undefined;
}
