import { elements, type Graph, rewriteGraph, type Tensor, type Value } from '../graph/index.js';
import type { TypedArray } from '../native/plan-spec.js';

/**
 * Computes ahead what depends on state alone, for prediction: a normalised weight, the sum of two biases, a reshaped matrix. Each such result
 * becomes a state buffer, `name.operation` after the first buffer that it comes from, computed in float64 and rounded once. Plans can
 * then pack it, and quantising sees it. What is no longer read falls away. The arguments are left as they were.
 *
 * @param state contents of the graph's state buffers by name; nodes over others stay.
 */
export function foldState(
  graph: Graph,
  state: ReadonlyMap<string, TypedArray>,
): { graph: Graph; state: Map<string, TypedArray> } {
  const known = new Map<Tensor, { name: string; value: () => Value }>();
  for (const [name, { tensor }] of graph.states) {
    const content = state.get(name);
    if (content === undefined || graph.updates.has(name)) continue;
    known.set(tensor, { name, value: () => contentValue(tensor, content) });
  }
  const folded = new Map<string, Float32Array>();
  const rewritten = rewriteGraph(graph, (node, { target }) => {
    const { operation, inputs, outputs, attrs } = node;
    const operands = inputs.map((input) => input && known.get(input));
    const fixed = inputs.length > 0 && inputs.every((input, i) => input === undefined || operands[i] !== undefined);
    if (!fixed || outputs.some(({ dtype }) => dtype !== 'f32')) return undefined;
    const results = outputs.map(({ shape, dtype }): Value => {
      return { shape, dtype, data: new Float64Array(elements(shape)) };
    });
    operation.reference(operands.map((operand) => operand?.value()) as Value[], attrs, results);
    return outputs.map((output, i) => {
      const stem = `${operands.find((operand) => operand !== undefined)!.name}.${operation.name}`;
      let name = stem;
      for (let n = 2; folded.has(name) || graph.states.has(name); n++) name = `${stem}${n}`;
      const data = Float32Array.from(results[i].data);
      folded.set(name, data);
      known.set(output, { name, value: () => contentValue(output, data) });
      return target.state(name, output.shape);
    });
  });
  const contents = new Map<string, TypedArray>();
  for (const name of rewritten.states.keys()) {
    const content = state.get(name) ?? folded.get(name);
    if (content !== undefined) contents.set(name, content);
  }
  return { graph: rewritten, state: contents };
}

function contentValue({ shape, dtype }: Tensor, content: TypedArray): Value {
  return { shape, dtype, data: Float64Array.from(content) };
}
