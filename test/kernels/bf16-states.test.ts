/**
 * lstm and experts with bf16 operands. What they multiply is in part their own results, so that a sum that ends near a rounding border
 * may round to either side: kernels and reference agree in nearly all elements, and stay much nearer to each other than to float32.
 */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { differentiate, experts, Graph, interpret, lstm, type Precision, sumSquares } from '../../src/graph/index.js';
import { nativeAvailable, nativeProblem, runtimeInfo, setThreads } from '../../src/native/index.js';
import { runNative } from '../graph/run-native.js';

interface BuiltCase {
  name: string;
  /** A graph of one result and its gradients. */
  build(precision: Precision): Graph;
}

function gradients(graph: Graph, y: ReturnType<typeof lstm>): Graph {
  graph.output('y', y);
  for (const [name, gradient] of differentiate(graph, sumSquares(y))) graph.output(`d ${name}`, gradient);
  return graph;
}

function lstmCase(
  [batch, steps, columns, hidden]: readonly [number, number, number, number],
  projected: boolean,
): BuiltCase {
  return {
    name: `lstm of ${batch} × ${steps}, ${projected ? `${columns} → ` : ''}${hidden}`,
    build(precision) {
      const graph = new Graph();
      const state = (name: string, shape: number[]) => graph.state(name, shape, 'f32', { trainable: true });
      const x = state('x', [batch, steps, projected ? columns : 4 * hidden]);
      const wInput = projected ? state('wInput', [4 * hidden, columns]) : undefined;
      const weights = { wHidden: state('wHidden', [4 * hidden, hidden]), wInput, bias: state('bias', [4 * hidden]) };
      return gradients(graph, lstm(x, weights, { precision }));
    },
  };
}

function expertCase([rows, count, width, hidden]: readonly [number, number, number, number]): BuiltCase {
  return {
    name: `${count} experts of ${rows} rows, ${width} → ${hidden}`,
    build(precision) {
      const graph = new Graph();
      const state = (name: string, shape: number[]) => graph.state(name, shape, 'f32', { trainable: true });
      const weights = {
        wExpand: state('wExpand', [count, hidden, width]),
        bExpand: state('bExpand', [count, hidden]),
        wContract: state('wContract', [count, width, hidden]),
        bContract: state('bContract', [count, width]),
      };
      return gradients(
        graph,
        experts(state('x', [rows, width]), state('gates', [rows, count]), weights, { precision }),
      );
    },
  };
}

const CASES: readonly BuiltCase[] = [
  lstmCase([3, 5, 4, 2], true),
  lstmCase([2, 9, 7, 17], true),
  lstmCase([19, 6, 5, 33], false),
  lstmCase([33, 4, 40, 64], true),
  lstmCase([1, 60, 12, 32], true),
  expertCase([5, 3, 4, 2]),
  expertCase([9, 4, 17, 33]),
  expertCase([130, 3, 40, 72]),
];

/** Weights of the size that they start with, and everything else about 1; most gates are 0. */
function contents(graph: Graph): Record<string, Float32Array> {
  return Object.fromEntries(
    [...graph.states].map(([name, { tensor }]) => {
      const random = new Random(7 + name.length);
      const size = tensor.shape.reduce((a, b) => a * b, 1);
      const scale = name.startsWith('w') ? 1 / Math.sqrt(tensor.shape[tensor.shape.length - 1]) : 1;
      const value = (i: number) =>
        name !== 'gates' ? scale * random.normal() : i % 3 === 0 ? 0.2 + random.float() : 0;
      return [name, Float32Array.from({ length: size }, (_, i) => value(i))];
    }),
  );
}

const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.sqrt(Array.from(a, (value, i) => (value - b[i]) ** 2).reduce((sum, square) => sum + square, 0) / a.length);

const info = nativeAvailable() ? runtimeInfo() : undefined;

describe.skipIf(info === undefined)(`bf16 operands (${nativeProblem() ?? 'native core there'})`, () => {
  describe.each(CASES.map((each) => [each.name, each] as const))('%s', (_, { build }) => {
    const graph = build('bf16');
    const state = contents(graph);
    const rounded = interpret(graph, { inputs: {}, state }).outputs;
    const exact = interpret(build('f32'), { inputs: {}, state }).outputs;

    test.each(info?.available ?? [])('on %s as the reference, which rounds its operands', (isa) => {
      const { outputs } = runNative(graph, { inputs: {}, state }, { isa, passes: [] });
      for (const [name, { data }] of Object.entries(rounded)) {
        const apart = distance(data, exact[name].data);
        expect(apart, `${name} is rounded`).toBeGreaterThan(0);
        expect(distance(outputs[name], data), name).toBeLessThan(0.3 * apart);
      }
    });

    test('the same bits with one thread and with four', () => {
      const run = (threads: number) => {
        setThreads(threads);
        return runNative(graph, { inputs: {}, state });
      };
      try {
        expect(run(4)).toEqual(run(1));
      } finally {
        setThreads(info!.threads);
      }
    });
  });
});
