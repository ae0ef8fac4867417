import { describe, expect, test } from 'vitest';
import { differentiate, Graph, interpret, matmul, reshape, type Tensor } from '../../src/graph/index.js';
import { CASES, type OperationCase, size } from './cases.js';
import { fill } from './values.js';

const STEP = 1e-5;

/** The case as a graph from trainable states x0 … to a loss Σ y∘c with fixed random c. */
function lossGraph(row: OperationCase): {
  graph: Graph;
  loss: Tensor;
  state: Record<string, Float64Array>;
  wrt: string[];
} {
  const graph = new Graph();
  const state: Record<string, Float64Array> = {};
  const wrt: string[] = [];
  const tensors = row.inputs.map(({ shape, dtype = 'f32', values = 'normal' }, i) => {
    state[`x${i}`] = fill(values, size(shape), 1 + i);
    const trainable = dtype === 'f32' && (row.wrt?.includes(i) ?? true);
    if (trainable) wrt.push(`x${i}`);
    return graph.state(`x${i}`, shape, dtype, { trainable });
  });
  const parts = row.apply(tensors).map((y, i) => {
    const n = size(y.shape);
    const weights = graph.constant(`c${i}`, [n, 1], fill('normal', n, 100 + i));
    return matmul(reshape(y, [1, n]), weights);
  });
  return { graph, loss: parts.reduce((a, b) => a.add(b)), state, wrt };
}

describe('differentiate agrees with central differences', () => {
  const rows = CASES.filter((row) => row.differentiable !== false);
  test.each(rows.map((row) => [`${row.operation}: ${row.name}`, row] as const))('%s', (_, row) => {
    const { graph, loss, state, wrt } = lossGraph(row);
    graph.output('loss', loss);
    const plain = lossGraph(row);
    plain.graph.output('loss', plain.loss);
    const lossAt = (changed: Record<string, Float64Array>) =>
      interpret(plain.graph, { state: changed }).outputs.loss.data[0];

    const gradients = differentiate(graph, loss);
    expect([...gradients.keys()]).toEqual(wrt);
    for (const [name, tensor] of gradients) {
      expect(tensor.shape).toEqual(graph.states.get(name)!.tensor.shape);
      graph.output(name, tensor);
    }
    const { outputs } = interpret(graph, { state });
    for (const name of wrt) {
      const analytic = outputs[name].data;
      for (let i = 0; i < analytic.length; i++) {
        const at = (delta: number) => {
          const moved = Float64Array.from(state[name]);
          moved[i] += delta;
          return lossAt({ ...state, [name]: moved });
        };
        const numeric = (at(STEP) - at(-STEP)) / (2 * STEP);
        const error = Math.abs(analytic[i] - numeric);
        expect(error, `${name}[${i}]: ${analytic[i]}, numerically ${numeric}`).toBeLessThan(
          2e-7 * (1 + Math.abs(numeric)),
        );
      }
    }
  });
});
