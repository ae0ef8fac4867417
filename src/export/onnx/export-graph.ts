import { FlashbookError } from '../../core/errors.js';
import { type Graph, INPUT, type Node, STATE, type Tensor } from '../../graph/ir.js';
import type { NodeView } from '../../graph/operation.js';
import type { TypedArray } from '../../native/plan-spec.js';
import { OnnxModelBuilder, type OnnxModelInfo } from './model-builder.js';

/** Another rule than the operation's own; the arguments are those of `Operation.onnx`. */
export type OnnxRule = (builder: OnnxModelBuilder, node: NodeView, inputs: readonly string[]) => string[];

export interface ExportOnnxOptions extends OnnxModelInfo {
  /** Contents of the state buffers: they become initializers. */
  state: ReadonlyMap<string, TypedArray>;
  /** Rules that replace the operations' own, by operation name. */
  rules?: Readonly<Record<string, OnnxRule>>;
  /** Documentation of inputs and outputs by name. */
  docs?: Readonly<Record<string, string>>;
}

/**
 * A graph as an ONNX model, the bytes of an .onnx file: opset 17, standard operators alone. The first dimension of every
 * input and output is free and called `batch`; the graph may be traced with any batch size.
 *
 * @throws FlashbookError OPTION when an operation has no ONNX rule or a state buffer has no content.
 */
export function exportOnnx(graph: Graph, options: ExportOnnxOptions): Uint8Array {
  const { state, rules = {}, docs = {}, ...info } = options;
  const builder = new OnnxModelBuilder();
  const names = new Map<Tensor, string>();
  const needed = reachable(graph);

  for (const [name, { shape, dtype }] of graph.inputs) {
    builder.input(name, dtype, ['batch', ...shape.slice(1)], docs[name]);
  }
  for (const node of graph.nodes) {
    if (!needed.has(node)) continue;
    if (node.operation === INPUT) {
      names.set(node.outputs[0], String(node.attrs.name));
    } else if (node.operation === STATE) {
      names.set(node.outputs[0], initializer(builder, node, state));
    } else {
      lower(builder, node, rules[node.operation.name], names);
    }
  }
  for (const [name, tensor] of graph.outputs) {
    builder.output(name, nameOf(names, tensor), tensor.dtype, ['batch', ...tensor.shape.slice(1)], docs[name]);
  }
  return builder.finish(info);
}

function initializer(
  builder: OnnxModelBuilder,
  { outputs: [tensor], attrs }: Node,
  state: ReadonlyMap<string, TypedArray>,
): string {
  const name = String(attrs.name);
  const data = state.get(name);
  if (data === undefined)
    throw new FlashbookError('OPTION', `exportOnnx: the state buffer '${name}' has no content`, { name });
  return builder.constant(name, tensor.dtype, tensor.shape, data);
}

function lower(builder: OnnxModelBuilder, node: Node, rule: OnnxRule | undefined, names: Map<Tensor, string>): void {
  const { operation, inputs, outputs, attrs } = node;
  const apply = rule ?? operation.onnx?.bind(operation);
  if (apply === undefined) {
    throw new FlashbookError('OPTION', `exportOnnx: the operation '${operation.name}' has no ONNX form`, {
      operation: operation.name,
    });
  }
  builder.scope = operation.name;
  const inputNames = inputs.map((tensor) => (tensor === undefined ? '' : nameOf(names, tensor)));
  const results = apply(builder, { inputs: inputs as readonly Tensor[], outputs, attrs }, inputNames);
  outputs.forEach((tensor, i) => {
    names.set(tensor, results[i] ?? '');
  });
  builder.scope = '';
}

function nameOf(names: ReadonlyMap<Tensor, string>, tensor: Tensor): string {
  const name = names.get(tensor);
  if (name) return name;
  throw new FlashbookError(
    'OPTION',
    `exportOnnx: ONNX does not give result ${tensor.index} of '${tensor.node.operation.name}'`,
  );
}

/** The nodes that the outputs depend on. */
function reachable(graph: Graph): Set<Node> {
  const found = new Set<Node>();
  const waiting = [...graph.outputs.values()].map((tensor) => tensor.node);
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    for (const input of node.inputs) if (input !== undefined) waiting.push(input.node);
  }
  return found;
}
