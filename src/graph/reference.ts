/** The reference interpreter: runs a graph node by node in float64. Slow and plain; the oracle of every backend. */
import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import type { Graph, Node, Tensor } from './ir.js';
import { INPUT, STATE, sourceName } from './ir.js';
import { elements, type TensorType, type Value } from './operation.js';
import { liveNodes } from './rewrite.js';
import { formatShape } from './shape.js';

export interface InterpretOptions {
  /** One array an input, by name. */
  inputs?: Readonly<Record<string, ArrayLike<number>>>;
  /** One array a state, by name; constants may be left out. */
  state?: Readonly<Record<string, ArrayLike<number>>>;
}

export interface Interpretation {
  outputs: Record<string, Value>;
  /** What the updated states hold after the run. */
  updates: Record<string, Value>;
}

/** Runs the graph's outputs and updates. The arguments are not changed. */
export function interpret(graph: Graph, options: InterpretOptions = {}): Interpretation {
  checkOptions('interpret', options, ['inputs', 'state']);
  const { inputs = {}, state = {} } = options;
  const values = new Map<Tensor, Value>();
  for (const node of liveNodes(graph)) {
    if (node.operation === INPUT) values.set(node.outputs[0], given('input', node, inputs));
    else if (node.operation === STATE) values.set(node.outputs[0], givenState(graph, node, state));
    else runNode(node, values);
  }
  const collect = (named: ReadonlyMap<string, Tensor>) =>
    Object.fromEntries([...named].map(([name, tensor]) => [name, values.get(tensor)!]));
  return { outputs: collect(graph.outputs), updates: collect(graph.updates) };
}

function runNode(node: Node, values: Map<Tensor, Value>): void {
  const operands = node.inputs.map((input) => input && values.get(input)) as Value[];
  const results = node.outputs.map(emptyValue);
  node.operation.reference(operands, node.attrs, results);
  for (const [i, output] of node.outputs.entries()) values.set(output, results[i]);
}

export function emptyValue({ shape, dtype }: TensorType): Value {
  return { shape, dtype, data: new Float64Array(elements(shape)) };
}

function givenState(graph: Graph, node: Node, state: Readonly<Record<string, ArrayLike<number>>>): Value {
  const name = sourceName(node.outputs[0])!;
  const constant = graph.states.get(name)?.value;
  return given('state', node, constant !== undefined && !(name in state) ? { [name]: constant } : state);
}

function given(kind: string, node: Node, arrays: Readonly<Record<string, ArrayLike<number>>>): Value {
  const tensor = node.outputs[0];
  const name = sourceName(tensor)!;
  const data = arrays[name];
  if (data === undefined) throw new FlashbookError('SHAPE', `interpret: ${kind} '${name}' was not given`, { name });
  if (data.length !== elements(tensor.shape)) {
    throw invalid(
      `${kind} '${name}'`,
      `${elements(tensor.shape)} values for shape ${formatShape(tensor.shape)}`,
      data,
      'SHAPE',
    );
  }
  return { shape: tensor.shape, dtype: tensor.dtype, data: Float64Array.from(data) };
}
