import { type Graph, INPUT, type Node, STATE, sourceName, type Tensor } from './ir.js';
import { liveNodes } from './rewrite.js';
import { formatShape } from './shape.js';

/**
 * The graph as text, one line a node that its results need:
 *
 *   input x: f32 (2, 5, 3)
 *   state embedding.weight: f32 (8, 3), trainable
 *   %4 = linear(x, embedding.weight, embedding.bias) {activation: none}: f32 (2, 5, 8)
 *   output logits = %61
 */
export function printGraph(graph: Graph): string {
  const live = liveNodes(graph);
  const lines: string[] = [];
  for (const [name, tensor] of graph.inputs) lines.push(`input ${name}: ${type(tensor)}`);
  for (const [name, { tensor, trainable, value }] of graph.states) {
    if (!live.has(tensor.node) && !graph.updates.has(name)) continue;
    lines.push(`state ${name}: ${type(tensor)}${trainable ? ', trainable' : ''}${value ? ', constant' : ''}`);
  }
  for (const node of live) if (node.operation !== INPUT && node.operation !== STATE) lines.push(line(node));
  for (const [name, tensor] of graph.outputs) lines.push(`output ${name} = ${reference(tensor)}`);
  for (const [name, tensor] of graph.updates) lines.push(`update ${name} = ${reference(tensor)}`);
  return `${lines.join('\n')}\n`;
}

function line({ operation, inputs, outputs, attrs }: Node): string {
  const operands = inputs.map((input) => (input === undefined ? '–' : reference(input))).join(', ');
  const entries = Object.entries(attrs).map(
    ([name, value]) => `${name}: ${Array.isArray(value) ? `[${value}]` : value}`,
  );
  const attributes = entries.length === 0 ? '' : ` {${entries.join(', ')}}`;
  return `${outputs.map(reference).join(', ')} = ${operation.name}(${operands})${attributes}: ${outputs.map(type).join(', ')}`;
}

function reference(tensor: Tensor): string {
  return (
    sourceName(tensor) ??
    `%${tensor.node.id}${tensor.index === 0 ? '' : `.${tensor.node.operation.results[tensor.index] ?? tensor.index}`}`
  );
}

function type({ dtype, shape }: Tensor): string {
  return `${dtype} ${formatShape(shape)}`;
}
