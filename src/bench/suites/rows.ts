/** What goes through memory once: norms, activations, sums, softmax with its loss, dropout. Held against plain sweeps. */
import {
  add,
  dropout,
  Graph,
  gelu,
  interpret,
  layerNorm,
  OPERATIONS,
  softmax,
  type Tensor,
} from '../../graph/index.js';
import type { TypedArray } from '../../native/index.js';
import type { BenchCase, Contender, Expected } from '../case.js';
import { type GraphCase, nativeContender, onnxContender, scriptContender } from '../graph-contenders.js';
import { normals } from '../random-values.js';
import { once, type SuiteOptions } from '../suite.js';

/** The activations of 64 windows of 100 steps and 128 columns, or of their feed-forward; one window for the oracle. */
const ROWS = 6400;
const WIDTH = 128;

interface RowCase {
  name: string;
  columns: number;
  /** Floats read and written, for each element. */
  traffic: number;
  build(graph: Graph, x: Tensor): Tensor;
  inputs?: (elements: number) => Record<string, TypedArray>;
  state?: (columns: number) => [string, Float32Array][];
  naive?: (x: Float32Array, columns: number) => Float32Array;
  onnx?: boolean;
  tolerance?: number;
}

const affine = (columns: number): [string, Float32Array][] => [
  ['gamma', normals(columns, 2)],
  ['beta', normals(columns, 3)],
];

const CASES: RowCase[] = [
  {
    name: 'layer norm',
    columns: WIDTH,
    traffic: 2,
    build: (graph, x) => layerNorm(x, graph.state('gamma', [WIDTH]), graph.state('beta', [WIDTH])),
    state: affine,
    naive: naiveLayerNorm,
    onnx: true,
    tolerance: 1e-5,
  },
  {
    name: 'layer norm forward + backward',
    columns: WIDTH,
    traffic: 5,
    build: (graph, x) => {
      const gamma = graph.state('gamma', [WIDTH]);
      const y = layerNorm(x, gamma, graph.state('beta', [WIDTH]));
      const dy = graph.input('dy', x.shape);
      const [, mean, rstd] = y.node.outputs;
      return graph.apply(OPERATIONS.get('layer_norm_grad')!, [dy, x, gamma, mean, rstd], {})[0];
    },
    inputs: (elements) => ({ dy: normals(elements, 4) }),
    state: affine,
    tolerance: 1e-5,
  },
  { name: 'gelu', columns: 1024, traffic: 2, build: (_, x) => gelu(x), naive: naiveGelu, onnx: true, tolerance: 1e-5 },
  {
    name: 'gelu backward',
    columns: 1024,
    traffic: 3,
    build: (graph, x) => {
      const dy = graph.input('dy', x.shape);
      return graph.apply(OPERATIONS.get('gelu_grad')!, [dy, x], {})[0];
    },
    inputs: (elements) => ({ dy: normals(elements, 4) }),
  },
  {
    name: 'add',
    columns: 1024,
    traffic: 3,
    build: (graph, x) => add(x, graph.input('b', x.shape)),
    inputs: (elements) => ({ b: normals(elements, 4) }),
  },
  { name: 'softmax', columns: 512, traffic: 2, build: (_, x) => softmax(x), onnx: true },
  {
    name: 'dropout',
    columns: 1024,
    traffic: 2,
    build: (graph, x) => dropout(x, graph.input('rng', [4], 'u32'), { p: 0.1 }),
    inputs: () => ({ rng: Uint32Array.of(1, 0, 1, 0) }),
  },
];

export function rowCases({ threads }: SuiteOptions): BenchCase[] {
  return CASES.map((row) => rowCase(row, threads));
}

function rowCase(row: RowCase, threads: number): BenchCase {
  const { columns, tolerance = 1e-5, naive } = row;
  const elements = ROWS * columns;
  const x = once(() => normals(elements, 1));
  const graphOf = (rows: number): GraphCase => {
    const graph = new Graph();
    graph.output('y', row.build(graph, graph.input('x', [rows, columns])));
    const inputs = { x: x().subarray(0, rows * columns), ...row.inputs?.(rows * columns) };
    return { graph, inputs, state: new Map(row.state?.(columns)) };
  };
  const contenders: Contender[] = [
    nativeContender(() => graphOf(ROWS), { role: 'fast', name: 'flashbook', tolerance, threads }),
    nativeContender(() => graphOf(ROWS), { role: 'plain', name: 'plain C++', tolerance, threads, isa: 'scalar' }),
  ];
  if (naive !== undefined) {
    contenders.push(
      scriptContender({ name: 'JavaScript', tolerance }, () => {
        const values = x();
        let y = new Float32Array(0);
        return {
          call: () => {
            y = naive(values, columns) as Float32Array<ArrayBuffer>;
          },
          output: () => y,
        };
      }),
    );
  }
  if (row.onnx) contenders.push(onnxContender(() => graphOf(ROWS), { tolerance, threads }));
  return {
    suite: 'rows',
    name: `${row.name} ${ROWS} × ${columns}`,
    threads,
    bound: 'memory',
    operations: 0,
    bytes: 4 * row.traffic * elements,
    contenders,
    expected: () => firstRows(graphOf(8)),
  };
}

/** Rows are computed each by itself, so the oracle needs only a few. */
function firstRows({ graph, inputs, state }: GraphCase): Expected {
  const { y } = interpret(graph, { inputs, state: Object.fromEntries(state) }).outputs;
  return { values: y.data };
}

function naiveLayerNorm(x: Float32Array, columns: number): Float32Array {
  const [[, gamma], [, beta]] = affine(columns);
  const y = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += columns) {
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += x[row + i];
    const mean = sum / columns;
    let squares = 0;
    for (let i = 0; i < columns; i++) squares += (x[row + i] - mean) ** 2;
    const r = 1 / Math.sqrt(squares / columns + 1e-5);
    for (let i = 0; i < columns; i++) y[row + i] = (x[row + i] - mean) * r * gamma[i] + beta[i];
  }
  return y;
}

/** x·Φ(x) with the error function of Abramowitz and Stegun 7.1.26, |error| ≤ 1.5e-7. */
function naiveGelu(x: Float32Array): Float32Array {
  const y = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const z = Math.abs(x[i]) / Math.SQRT2;
    const t = 1 / (1 + 0.3275911 * z);
    const tail =
      t *
      (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) *
      Math.exp(-z * z);
    y[i] = 0.5 * x[i] * (x[i] < 0 ? tail : 2 - tail);
  }
  return y;
}
