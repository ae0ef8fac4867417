/** Matrix products: those of the price predictor forward and backward, and a square one. */
import { quantiseRows } from '../../compress/index.js';
import { perTensorActivations } from '../../export/onnx/per-tensor-quantisation.js';
import { staticQdq } from '../../export/onnx/static-qdq.js';
import { Graph, levelOf, linear, matmul, qlinear, qlinearStatic, quantiseRow, roundBf16 } from '../../graph/index.js';
import type { BenchCase, Bound, Contender, Expected } from '../case.js';
import { type GraphCase, nativeContender, onnxContender, scriptContender } from '../graph-contenders.js';
import { normals, places } from '../random-values.js';
import { once, type SuiteOptions } from '../suite.js';

/** [N, K] of the predictor's layers, and one more. */
const LAYERS = [
  [384, 128],
  [128, 128],
  [1024, 128],
  [128, 1024],
  [512, 512],
] as const;
/** Rows of 64 windows of 100 steps. */
const BATCH_ROWS = 6400;
/** Plain and naive products of more than this take seconds. */
const PATIENT = 3e8;
const CHECKED = 256;
/** Levels of normal values. */
const LEVELS = { scale: Math.fround(4 / 127), zero: 128 };

export function gemmCases({ threads }: SuiteOptions): BenchCase[] {
  const cases: BenchCase[] = [];
  for (const precision of ['f32', 'bf16', 'int8'] as const) {
    cases.push(forward(precision, 1024, 1024, 1024, threads));
    for (const [n, k] of LAYERS) cases.push(forward(precision, 100, n, k, threads));
    for (const [n, k] of LAYERS.slice(0, 4)) cases.push(forward(precision, BATCH_ROWS, n, k, threads));
    for (const m of [1, 16]) cases.push(forward(precision, m, 1024, 128, threads));
  }
  for (const [n, k] of LAYERS) cases.push(forward('int8 static', 100, n, k, threads));
  for (const [n, k] of LAYERS.slice(0, 4)) {
    for (const precision of ['f32', 'bf16'] as const) {
      cases.push(
        backward('dx', precision, BATCH_ROWS, k, n, threads),
        backward('dw', precision, n, k, BATCH_ROWS, threads),
      );
    }
  }
  return cases;
}

interface Factors {
  x: Float32Array;
  w: Float32Array;
  bias: Float32Array;
}

type Form = 'f32' | 'bf16' | 'int8' | 'int8 static';

/** y = x·wᵀ + bias with packed weights; int8 quantises and bf16 rounds the rows of x as they come. */
function forward(precision: Form, m: number, n: number, k: number, threads: number): BenchCase {
  const isStatic = precision === 'int8 static';
  const int8 = precision === 'int8' || isStatic;
  const bf16 = precision === 'bf16';
  const data = once(() => {
    const w = normals(n * k, 2, 1 / Math.sqrt(k));
    return { x: normals(m * k, 1), w, bias: normals(n, 3, 0.1), quantised: int8 ? quantiseRows(w, n, k) : undefined };
  });
  const graphCase = (): GraphCase => {
    const { x, w, bias, quantised } = data();
    const graph = new Graph();
    const input = graph.input('x', [m, k]);
    const b = graph.state('bias', [n]);
    if (precision === 'int8' || precision === 'int8 static') {
      const [wq, wscale] = [graph.state('wq', [n, k], 'i8'), graph.state('wscale', [n])];
      graph.output('y', isStatic ? qlinearStatic(input, wq, wscale, b, { x: LEVELS }) : qlinear(input, wq, wscale, b));
    } else graph.output('y', linear(input, graph.state('w', [n, k]), b, { precision }));
    const weights: [string, Float32Array | Int8Array][] = quantised
      ? [
          ['wq', quantised.values],
          ['wscale', quantised.scales],
        ]
      : [['w', w]];
    return { graph, inputs: { x }, state: new Map([['bias', bias], ...weights]), frozen: true };
  };
  const operations = 2 * m * n * k;
  const contenders: Contender[] = [
    nativeContender(graphCase, { role: 'fast', name: 'flashbook', tolerance: 1e-5, threads }),
  ];
  if (operations <= PATIENT) {
    contenders.push(
      nativeContender(graphCase, { role: 'plain', name: 'plain C++', tolerance: 1e-5, threads, isa: 'scalar' }),
    );
    if (!int8 && !bf16) contenders.push(naiveProduct(data, m, n, k));
  }
  contenders.push(
    int8
      ? onnxContender(graphCase, {
          name: isStatic ? 'ONNX Runtime, QDQ' : 'ONNX Runtime, one scale for all rows',
          tolerance: 0.05,
          threads,
          rules: { qlinear: perTensorActivations, qlinear_static: staticQdq },
        })
      : onnxContender(graphCase, {
          name: bf16 ? 'ONNX Runtime, float32' : undefined,
          tolerance: bf16 ? 0.02 : 1e-5,
          threads,
        }),
  );
  return {
    suite: 'gemm',
    name: `${precision} ${m} × ${n} × ${k}`,
    threads,
    bound: int8 ? 'int8' : (precision as Bound),
    operations,
    bytes: 4 * m * k + (int8 ? 1 : 4) * n * k + 4 * m * n,
    contenders,
    expected: () => {
      const { x, w, bias, quantised } = data();
      if (quantised) return quantisedProduct(x, quantised, bias, m, n, k, isStatic);
      return bf16 ? product(x.map(roundBf16), w.map(roundBf16), bias, m, n, k) : product(x, w, bias, m, n, k);
    },
  };
}

/** Some elements of x·wᵀ + bias in float64. */
function product(x: Float32Array, w: Float32Array, bias: Float32Array, m: number, n: number, k: number): Expected {
  const at = places(CHECKED, m * n, 4);
  const values = Float64Array.from(at, (place) => {
    const [row, column] = [Math.floor(place / n), place % n];
    let sum = bias[column];
    for (let i = 0; i < k; i++) sum += x[row * k + i] * w[column * k + i];
    return sum;
  });
  return { at, values };
}

/** The same of what the int8 product states. */
function quantisedProduct(
  x: Float32Array,
  { values: w, scales }: { values: Int8Array; scales: Float32Array },
  bias: Float32Array,
  m: number,
  n: number,
  k: number,
  isStatic: boolean,
): Expected {
  const at = places(CHECKED, m * n, 4);
  const levels = new Int8Array(k);
  const values = Float64Array.from(at, (place) => {
    const [row, column] = [Math.floor(place / n), place % n];
    const given = x.subarray(row * k, (row + 1) * k);
    if (isStatic) for (let i = 0; i < k; i++) levels[i] = levelOf(given[i], LEVELS) - LEVELS.zero;
    const scale = isStatic ? LEVELS.scale : quantiseRow(given, levels);
    let sum = 0;
    for (let i = 0; i < k; i++) sum += levels[i] * w[column * k + i];
    return sum * scale * scales[column] + bias[column];
  });
  return { at, values };
}

function naiveProduct(data: () => Factors, m: number, n: number, k: number): Contender {
  return scriptContender({ name: 'JavaScript', tolerance: 1e-5 }, () => {
    const { x, w, bias } = data();
    const y = new Float32Array(m * n);
    return {
      output: () => y,
      call: () => {
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            let sum = bias[j];
            for (let l = 0; l < k; l++) sum += x[i * k + l] * w[j * k + l];
            y[i * n + j] = sum;
          }
        }
      },
    };
  });
}

/** dx = dy·w, or dw = dyᵀ·x, of a linear layer. */
function backward(
  gradient: 'dx' | 'dw',
  precision: 'f32' | 'bf16',
  m: number,
  n: number,
  k: number,
  threads: number,
): BenchCase {
  const transA = gradient === 'dw';
  const data = once(() => ({ a: normals(m * k, 1), b: normals(n * k, 2, 1 / Math.sqrt(k)) }));
  const graphCase = (): GraphCase => {
    const { a, b } = data();
    const graph = new Graph();
    const left = graph.input('a', transA ? [k, m] : [m, k]);
    graph.output('c', matmul(left, graph.state('b', [k, n]), { transA, precision }));
    return { graph, inputs: { a }, state: new Map([['b', b]]) };
  };
  const contenders = [nativeContender(graphCase, { role: 'fast', name: 'flashbook', tolerance: 1e-5, threads })];
  if (!transA && precision === 'f32') contenders.push(onnxContender(graphCase, { tolerance: 1e-5, threads }));
  return {
    suite: 'gemm',
    name: `${precision} ${gradient} ${m} × ${n} × ${k}`,
    threads,
    bound: precision,
    operations: 2 * m * n * k,
    bytes: 4 * (m * k + n * k + m * n),
    contenders,
    expected: () => {
      const [a, b] = [data().a, data().b].map((x) => (precision === 'bf16' ? x.map(roundBf16) : x));
      const at = places(CHECKED, m * n, 4);
      const values = Float64Array.from(at, (place) => {
        const [row, column] = [Math.floor(place / n), place % n];
        let sum = 0;
        for (let i = 0; i < k; i++) sum += a[transA ? i * m + row : row * k + i] * b[i * n + column];
        return sum;
      });
      return { at, values };
    },
  };
}
