/** From a graph to a plan: schedule, memory, and the flat list of kernel calls. */
import { invalid } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import type { PlanAttribute, PlanSpec, PlanStep, PlanTensor } from '../native/plan-spec.js';
import { placeBlocks } from './arena.js';
import type { Graph, Node, Tensor } from './ir.js';
import { INPUT, STATE, sourceName } from './ir.js';
import { assignStorage, type Storage } from './liveness.js';
import type { Attributes } from './operation.js';
import { reshapeOperation } from './ops/reshape.js';
import { fuseLinear } from './passes/fuse-linear.js';
import { requantise } from './passes/requantise.js';
import { withoutDeadCode } from './rewrite.js';
import { copyReshapedStates, materialiseUpdates } from './updates.js';

export type Pass = (graph: Graph) => Graph;

export interface CompileOptions {
  /** Run in order before planning. Default: [fuseLinear, requantise]. */
  passes?: readonly Pass[];
  /** False gives every tensor memory of its own: for tests and for looking at intermediate results. Default true. */
  reuse?: boolean;
}

/**
 * Compiles a graph. Steps are in the order of the nodes. Reshapes are the same memory under another shape; a result takes an
 * operand's memory where the operation allows it and nobody reads the operand later; an update is computed directly in
 * its state buffer where no later step reads the old content, else copied there at the end. The same graph gives the same
 * JSON. The order of plan inputs and outputs is that of graph.inputs and graph.outputs.
 */
export function compilePlan(graph: Graph, options: CompileOptions = {}): PlanSpec {
  checkOptions('compilePlan', options, ['passes', 'reuse']);
  const { passes = [fuseLinear, requantise], reuse = true } = options;
  let prepared = withoutDeadCode(graph);
  for (const pass of passes) prepared = pass(prepared);
  prepared = materialiseUpdates(copyReshapedStates(prepared));

  const steps = prepared.nodes.filter(isStep);
  const storages = assignStorage(prepared, steps, { reuse });
  const arena = [...new Set(storages.values())].filter((storage) => storage.state === undefined);
  const { offsets, arenaBytes } = placeBlocks(arena, { reuse });
  return new Writer(prepared, storages, new Map(arena.map((storage, i) => [storage, offsets[i]]))).write(
    steps,
    arenaBytes,
  );
}

/** True for nodes that cost a kernel call. */
export function isStep(node: Node): boolean {
  return node.operation !== INPUT && node.operation !== STATE && (node.operation as unknown) !== reshapeOperation;
}

class Writer {
  readonly #tensors: PlanTensor[] = [];
  readonly #index = new Map<Tensor, number>();

  constructor(
    readonly graph: Graph,
    readonly storages: ReadonlyMap<Tensor, Storage>,
    readonly offsets: ReadonlyMap<Storage, number>,
  ) {}

  write(nodes: readonly Node[], arenaBytes: number): PlanSpec {
    const inputs = [...this.graph.inputs].map(([name, tensor]) => this.#tensor(tensor, name));
    const steps = nodes.map((node, position): PlanStep => {
      const label = stepLabel(node, position);
      return {
        kernel: node.operation.name,
        inputs: node.inputs.map((input) => (input === undefined ? -1 : this.#tensor(input, label))),
        outputs: node.outputs.map((output, i) =>
          this.#tensor(output, i === 0 ? label : `${label}.${node.operation.results[i] ?? i}`),
        ),
        attrs: planAttributes(node.attrs),
      };
    });
    const outputs = [...this.graph.outputs].map(([name, tensor]) => this.#tensor(tensor, name));
    return { version: 1, arenaBytes, tensors: this.#tensors, steps, inputs, outputs };
  }

  #tensor(tensor: Tensor, label: string): number {
    const known = this.#index.get(tensor);
    if (known !== undefined) return known;
    const storage = this.storages.get(tensor)!;
    const { state } = storage;
    this.#tensors.push({
      name: state ?? sourceName(tensor) ?? label,
      dtype: tensor.dtype,
      shape: [...tensor.shape],
      space: state === undefined ? 'arena' : 'state',
      offset: state === undefined ? this.offsets.get(storage)! : 0,
    });
    this.#index.set(tensor, this.#tensors.length - 1);
    return this.#tensors.length - 1;
  }
}

/** linear(encoder.0.attention.qkv)#5: the operation, the module whose weight it reads, the step's number. */
function stepLabel(node: Node, position: number): string {
  const weight = node.inputs.find((input) => input?.node.operation === STATE);
  const module = weight && sourceName(weight)!.replace(/\.[^.]*$/, '');
  return `${node.operation.name}${module === undefined ? '' : `(${module})`}#${position}`;
}

function planAttributes(attrs: Attributes): Record<string, PlanAttribute> {
  const result: Record<string, PlanAttribute> = {};
  for (const [name, value] of Object.entries(attrs)) {
    for (const number of Array.isArray(value) ? value : [value]) {
      if (typeof number === 'number' && !Number.isFinite(number))
        throw invalid(`attribute ${name}`, 'a finite number', number);
    }
    result[name] = value;
  }
  return result;
}
