import { FlashbookError, invalid } from '../core/errors.js';
import type { Graph, Node, Tensor } from './ir.js';
import { STATE, sourceName } from './ir.js';
import { elements, type NodeView } from './operation.js';
import { add } from './ops/add.js';
import { formatShape } from './shape.js';

/**
 * Reverse-mode differentiation: adds the gradient of `loss` (one element) to the graph and returns dLoss/dParameter by state
 * name, for the trainable states that the loss depends on, in order of declaration.
 *
 * Differentiate the graph as the model wrote it; fusing passes come afterwards (compilePlan runs them).
 */
export function differentiate(graph: Graph, loss: Tensor): Map<string, Tensor> {
  if (loss.graph !== graph) throw invalid('loss', 'a tensor of this graph', loss);
  if (elements(loss.shape) !== 1) throw invalid('loss', 'a tensor of one element', formatShape(loss.shape), 'SHAPE');

  const wanted = dependsOnParameters(graph);
  const gradients = new Map<Tensor, Tensor>();
  gradients.set(loss, graph.constant(`constant.one.${loss.shape.length}`, loss.shape, [1]));

  for (let id = loss.node.id; id >= 0; id--) {
    const node = graph.nodes[id];
    if (!node.outputs.some((output) => gradients.has(output) && wanted.has(output))) continue;
    if (node.inputs.length > 0) propagate(node, gradients, wanted);
  }

  const parameters = new Map<string, Tensor>();
  for (const [name, { tensor, trainable }] of graph.states) {
    const gradient = gradients.get(tensor);
    if (trainable && gradient !== undefined) parameters.set(name, gradient);
  }
  return parameters;
}

/** The tensors through which a trainable state is felt. */
function dependsOnParameters(graph: Graph): Set<Tensor> {
  const wanted = new Set<Tensor>();
  for (const node of graph.nodes) {
    const trainable = node.operation === STATE && graph.states.get(sourceName(node.outputs[0])!)?.trainable === true;
    if (trainable || node.inputs.some((input) => input !== undefined && wanted.has(input))) {
      for (const output of node.outputs) wanted.add(output);
    }
  }
  return wanted;
}

/** Asks the node's operation for its operands' gradients and adds them to what other users gave. */
function propagate(node: Node, gradients: Map<Tensor, Tensor>, wanted: ReadonlySet<Tensor>): void {
  const { operation } = node;
  if (operation.gradient === undefined) {
    throw new FlashbookError(
      'OPTION',
      `${operation.name} has no gradient, but the loss reaches parameters through it`,
      {
        operation: operation.name,
      },
    );
  }
  const needed = node.inputs.map((input) => input !== undefined && wanted.has(input));
  const given = node.outputs.map((output) => gradients.get(output));
  const results = operation.gradient(node as NodeView, given, needed);
  for (const [i, input] of node.inputs.entries()) {
    const gradient = results[i];
    if (input === undefined || gradient === undefined || !needed[i]) continue;
    const known = gradients.get(input);
    gradients.set(input, known === undefined ? gradient : add(known, gradient));
  }
}
