/** Graphs that the tests of passes rewrite, and how two graphs are compared. */
import { expect } from 'vitest';
import {
  attention,
  dropout,
  Graph,
  gelu,
  interpret,
  layerNorm,
  linear,
  selectStep,
  softmax,
  type Tensor,
} from '../../src/graph/index.js';
import { fill } from './values.js';

export const kernels = (graph: Graph) =>
  graph.nodes.map((node) => node.operation.name).filter((name) => name !== 'input' && name !== 'state');

/** Random contents for every input and state of a graph. */
export function contents(graph: Graph): { inputs: Record<string, Float64Array>; state: Record<string, Float64Array> } {
  const values = (tensors: Iterable<[string, Tensor]>) =>
    Object.fromEntries(
      [...tensors].map(([name, { shape, dtype }], i) => {
        const size = shape.reduce((a, b) => a * b, 1);
        return [name, fill(dtype === 'i8' ? 'int8' : dtype === 'u32' ? [3, 4, 5, 0] : 'normal', size, i + 10)];
      }),
    );
  return {
    inputs: values(graph.inputs),
    state: values([...graph.states].map(([name, { tensor }]): [string, Tensor] => [name, tensor])),
  };
}

export function expectEqual(a: Graph, b: Graph): void {
  const given = contents(a);
  const first = interpret(a, given);
  const second = interpret(b, given);
  for (const name of a.outputs.keys()) expect(second.outputs[name].data).toEqual(first.outputs[name].data);
  for (const name of a.updates.keys()) expect(second.updates[name].data).toEqual(first.updates[name].data);
}

/** x (4, 6) through linear, then `build`. */
export function linearGraph(build: (y: Tensor, x: Tensor, graph: Graph) => Tensor | Tensor[]): Graph {
  const graph = new Graph();
  const x = graph.input('x', [4, 6]);
  const y = linear(x, graph.state('w', [6, 6]), graph.state('b', [6]));
  for (const [i, result] of [build(y, x, graph)].flat().entries()) graph.output(`y${i}`, result);
  return graph;
}

/** Two pre-norm layers over (2, 5, 8), then the last step. */
export function encoder({ index = -1, causal = true, p = 0, attentionP = 0 } = {}): Graph {
  const graph = new Graph();
  const rng = graph.input('rng', [4], 'u32');
  const state = (name: string, ...shape: number[]) => graph.state(name, shape, 'f32', { trainable: true });
  let x = graph.input('x', [2, 5, 8]);
  for (const layer of ['a', 'b']) {
    const norm = layerNorm(x, state(`${layer}.gamma`, 8), state(`${layer}.beta`, 8));
    const dropped = attentionP > 0 ? { p: attentionP, rng } : undefined;
    const mixed = attention(linear(norm, state(`${layer}.qkv`, 24, 8)), { heads: 2, causal, dropout: dropped });
    const projected = linear(mixed, state(`${layer}.projection`, 8, 8), state(`${layer}.bias`, 8));
    x = x.add(p > 0 ? dropout(projected, rng, { p }) : projected);
    x = x.add(linear(gelu(linear(x, state(`${layer}.expand`, 16, 8))), state(`${layer}.contract`, 8, 16)));
  }
  graph.output('y', selectStep(softmax(x), index));
  return graph;
}
