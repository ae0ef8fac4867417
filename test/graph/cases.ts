/**
 * The case table: every operation over ragged shapes and special values. The same rows are run by the gradient check, by the
 * comparison of the native engine with the interpreter on every instruction set, and by the ONNX comparison.
 */
import {
  adamw,
  add,
  attention,
  clipCoefficient,
  concat,
  type DType,
  dropout,
  Graph,
  gelu,
  layerNorm,
  linear,
  matmul,
  mul,
  OPERATIONS,
  qlinear,
  relu,
  reshape,
  type Shape,
  scale,
  selectStep,
  slice,
  softmax,
  softmaxCrossEntropy,
  standardize,
  sumRows,
  sumSquares,
  type Tensor,
} from '../../src/graph/index.js';
import { type Fill, fill } from './values.js';

export interface CaseInput {
  shape: Shape;
  dtype?: DType;
  values?: Fill;
}

export interface OperationCase {
  /** The kernel that the row is for; others may appear in its graph. */
  operation: string;
  /** What is special about the row. */
  name: string;
  inputs: readonly CaseInput[];
  /** Builds the results that are compared. */
  apply(tensors: readonly Tensor[]): readonly Tensor[];
  /** False where central differences make no sense: no gradient, special values, too many elements. Default true. */
  differentiable?: boolean;
  /** Inputs that have a gradient; default: all of dtype f32. */
  wrt?: readonly number[];
  /**
   * Largest allowed |native − float64| as a multiple of float32's 2⁻²⁴ times the size of the terms that were added up
   * (default: the largest finite |reference|). Default 8.
   */
  ulps?: number;
  /** The bound is a multiple of each element's own size instead. */
  relative?: boolean;
}

/** A graph whose inputs are x0, x1 … and whose outputs are y0, y1 …, with the values of the inputs. */
export function caseGraph(row: OperationCase): { graph: Graph; inputs: Record<string, Float64Array> } {
  const graph = new Graph();
  const inputs: Record<string, Float64Array> = {};
  const tensors = row.inputs.map(({ shape, dtype = 'f32', values = 'normal' }, i) => {
    inputs[`x${i}`] = fill(values, size(shape), 1 + i);
    return graph.input(`x${i}`, shape, dtype);
  });
  for (const [i, tensor] of row.apply(tensors).entries()) graph.output(`y${i}`, tensor);
  return { graph, inputs };
}

export function size(shape: Shape): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** The operation by its kernel name, with all its results: for those that only differentiation makes. */
function raw(operation: string, attrs: Record<string, number | string | boolean> = {}) {
  return (tensors: readonly Tensor[]): Tensor[] => tensors[0].graph.apply(OPERATIONS.get(operation)!, tensors, attrs);
}

const RNG: CaseInput = { shape: [4], dtype: 'u32', values: [0x12345678, 0x9abcdef0, 7, 0] };
const shapes = (list: readonly Shape[]) => list.map((shape) => ({ shape, name: `(${shape.join(', ')})` }));
const RAGGED = shapes([[1], [3], [7, 5], [2, 3, 17], [4, 33], [1, 1000], [3, 64]]);

function unary(operation: string, apply: (x: Tensor) => Tensor, specials: boolean, ulps?: number): OperationCase[] {
  const rows: OperationCase[] = RAGGED.map(({ shape, name }) => ({
    operation,
    name,
    inputs: [{ shape }],
    apply: ([x]) => [apply(x)],
    ulps,
  }));
  const extreme = (values: Fill): OperationCase => ({
    operation,
    name: `${String(values)} values`,
    inputs: [{ shape: [5, 39], values }],
    apply: ([x]) => [apply(x)],
    differentiable: false,
    relative: true,
    ulps,
  });
  return [...rows, extreme('wide'), ...(specials ? [extreme('special')] : [])];
}

function binary(operation: string, apply: (a: Tensor, b: Tensor) => Tensor): OperationCase[] {
  const pairs: [Shape, Shape][] = [
    [[1], [1]],
    [
      [7, 5],
      [7, 5],
    ],
    [[7, 5], [5]],
    [
      [2, 3, 17],
      [3, 17],
    ],
    [[2, 3, 17], [17]],
    [[3, 65], [65]],
    [[6, 1], [1]],
    [
      [2, 100, 8],
      [100, 8],
    ],
  ];
  const rows: OperationCase[] = pairs.map(([a, b]) => ({
    operation,
    name: `(${a.join(', ')}) and (${b.join(', ')})`,
    inputs: [{ shape: a }, { shape: b }],
    apply: ([x, y]) => [apply(x, y)],
    differentiable: size(a) <= 200,
  }));
  const special: OperationCase = {
    operation,
    name: 'special values',
    inputs: [
      { shape: [9, 41], values: 'special' },
      { shape: [9, 41], values: 'special' },
    ],
    apply: ([x, y]) => [apply(x, y)],
    differentiable: false,
    relative: true,
  };
  return [...rows, special];
}

/** dy and a second operand of the same shape. */
function elementwiseGradient(operation: string, ulps?: number): OperationCase[] {
  const make = (shape: Shape, values: Fill): OperationCase => ({
    operation,
    name: `(${shape.join(', ')}) ${String(values)}`,
    inputs: [{ shape }, { shape, values }],
    apply: raw(operation),
    differentiable: false,
    relative: values !== 'normal',
    // Near a zero of the derivative its two terms cancel: 16 times the bound.
    ulps: values === 'special' && ulps !== undefined ? 16 * ulps : ulps,
  });
  return [...RAGGED.map(({ shape }) => make(shape, 'normal')), make([5, 39], 'wide'), make([5, 39], 'special')];
}

function linears(): OperationCase[] {
  const rows: OperationCase[] = [];
  const sizes: [Shape, number, number][] = [
    [[1], 1, 1],
    [[3], 5, 2],
    [[2, 3], 6, 7],
    [[5], 33, 17],
    [[13], 64, 48],
    [[2, 37], 40, 128],
    [[1], 128, 1024],
    [[65], 130, 67],
    [[1, 100], 128, 384],
  ];
  for (const [leading, k, n] of sizes) {
    for (const activation of ['none', 'relu', 'gelu'] as const) {
      for (const extras of ['', 'bias', 'bias and residual', 'residual']) {
        if (size(leading) * k * n > 100_000 && extras !== 'bias and residual') continue;
        const y = [...leading, n];
        const operands = [{ shape: [...leading, k] }, { shape: [n, k] }];
        if (extras.includes('bias')) operands.push({ shape: [n] });
        if (extras.includes('residual')) operands.push({ shape: y });
        rows.push({
          operation: 'linear',
          name: `(${leading.join(', ')}) × ${k} → ${n} ${activation} ${extras}`.trimEnd(),
          inputs: operands,
          apply: ([x, w, ...rest]) => {
            const bias = extras.includes('bias') ? rest[0] : undefined;
            const residual = extras.includes('residual') ? rest.at(-1) : undefined;
            return [linear(x, w, bias, { activation, residual })];
          },
          differentiable: size(leading) * k * n <= 300,
          ulps: 8 + Math.sqrt(k),
        });
      }
    }
  }
  rows.push({
    operation: 'linear',
    name: 'NaN and infinity stay in their rows',
    inputs: [
      {
        shape: [6, 8],
        values: [...new Array(11).fill(1), Number.NaN, ...new Array(12).fill(2), Number.POSITIVE_INFINITY],
      },
      { shape: [9, 8], values: 'positive' },
    ],
    apply: ([x, w]) => [linear(x, w)],
    differentiable: false,
  });
  return rows;
}

function qlinears(): OperationCase[] {
  const rows: OperationCase[] = [];
  const sizes: [Shape, number, number][] = [
    [[1], 1, 1],
    [[2, 3], 6, 7],
    [[5], 33, 17],
    [[13], 64, 48],
    [[1], 128, 1024],
    [[65], 130, 67],
    [[7], 1024, 128],
  ];
  for (const [leading, k, n] of sizes) {
    for (const activation of ['none', 'relu', 'gelu'] as const) {
      rows.push({
        operation: 'qlinear',
        name: `(${leading.join(', ')}) × ${k} → ${n} ${activation}`,
        inputs: [
          { shape: [...leading, k] },
          { shape: [n, k], dtype: 'i8', values: 'int8' },
          { shape: [n], values: 'positive' },
          { shape: [n] },
          { shape: [...leading, n] },
        ],
        apply: ([x, wq, wscale, bias, residual]) => [
          qlinear(x, wq, wscale, bias, { activation, residual }),
          qlinear(x, wq, wscale, undefined, { activation }),
        ],
        differentiable: false,
        ulps: 8,
      });
    }
  }
  const row = (name: string, values: Fill): OperationCase => ({
    operation: 'qlinear',
    name,
    inputs: [
      { shape: [5, 37], values },
      { shape: [11, 37], dtype: 'i8', values: 'int8' },
      { shape: [11], values: 'positive' },
    ],
    apply: ([x, wq, wscale]) => [qlinear(x, wq, wscale)],
    differentiable: false,
  });
  rows.push(
    row('rows of zeros', [0]),
    row('special values', 'special'),
    row('halves round to even', [127, 0.5, 1.5, 2.5, -0.5, -1.5]),
  );
  rows.push(
    row('infinity in one row', [...new Array(50).fill(1), Number.NEGATIVE_INFINITY, ...new Array(134).fill(-2)]),
  );
  return rows;
}

function matmuls(): OperationCase[] {
  const sizes = [
    [1, 1, 1],
    [3, 4, 5],
    [7, 17, 9],
    [33, 65, 31],
    [64, 128, 96],
    [130, 300, 70],
  ];
  return sizes.flatMap(([m, k, n]) =>
    [false, true].flatMap((transA) =>
      [false, true].map(
        (transB): OperationCase => ({
          operation: 'matmul',
          name: `${m} × ${k} × ${n}${transA ? ' aᵀ' : ''}${transB ? ' bᵀ' : ''}`,
          inputs: [{ shape: transA ? [k, m] : [m, k] }, { shape: transB ? [n, k] : [k, n] }],
          apply: ([a, b]) => [matmul(a, b, { transA, transB })],
          differentiable: m * k * n <= 1100,
          ulps: 8 + Math.sqrt(k),
        }),
      ),
    ),
  );
}

function attentions(): OperationCase[] {
  const rows: OperationCase[] = [];
  const sizes = [
    [1, 1, 1, 1],
    [1, 2, 1, 4],
    [2, 5, 2, 3],
    [2, 17, 3, 8],
    [1, 100, 4, 32],
    [2, 65, 2, 16],
    [1, 33, 1, 40],
  ];
  for (const [batch, steps, heads, headDim] of sizes) {
    for (const causal of [false, true]) {
      for (const queries of ['all', 'last'] as const) {
        const name = `B ${batch}, T ${steps}, ${heads} × ${headDim}${causal ? ' causal' : ''} ${queries}`;
        const width = heads * headDim;
        const queryRows = queries === 'last' ? 1 : steps;
        const qkv = { shape: [batch, steps, 3 * width] };
        rows.push({
          operation: 'attention',
          name,
          inputs: [qkv],
          apply: ([x]) => [attention(x, { heads, causal, queries })],
          differentiable: batch * steps * width <= 64,
          ulps: 32,
        });
        rows.push({
          operation: 'attention_grad',
          name,
          inputs: [{ shape: [batch, queryRows, width] }, qkv],
          apply: ([dO, x]) => {
            const [o, lse] = raw('attention', { heads, causal, queries })([x]);
            return [...raw('attention_grad', { heads, causal, queries })([dO, x, o, lse]), lse];
          },
          differentiable: false,
          ulps: 64,
        });
      }
    }
  }
  const special = (name: string, values: Fill): OperationCase => ({
    operation: 'attention',
    name,
    inputs: [{ shape: [1, 9, 24], values }],
    apply: ([x]) => [attention(x, { heads: 2, causal: true })],
    differentiable: false,
    ulps: 64,
  });
  rows.push(special('large scores', 'wide'), special('equal scores', [1]));
  rows.push(
    special('NaN in one step reaches later rows only', [
      ...new Array(24 * 5 + 3).fill(0.5),
      Number.NaN,
      ...new Array(92).fill(0.25),
    ]),
  );
  return rows;
}

function norms(): OperationCase[] {
  const list: Shape[] = [
    [1, 1],
    [4, 3],
    [7, 5],
    [2, 3, 17],
    [4, 33],
    [2, 1000],
    [3, 128],
    [37, 64],
  ];
  return list.flatMap((shape): OperationCase[] => {
    const d = shape.at(-1)!;
    const name = `(${shape.join(', ')})`;
    const operands = [{ shape }, { shape: [d] }, { shape: [d] }];
    return [
      {
        operation: 'layer_norm',
        name,
        inputs: operands,
        apply: ([x, gamma, beta]) => [layerNorm(x, gamma, beta)],
        differentiable: d > 1 && size(shape) <= 200,
        ulps: 32,
      },
      {
        operation: 'layer_norm_grad',
        name,
        inputs: [{ shape }, ...operands],
        apply: ([dy, x, gamma, beta]) => {
          const [, mean, rstd] = raw('layer_norm', { eps: 1e-5 })([x, gamma, beta]);
          return raw('layer_norm_grad')([dy, x, gamma, mean, rstd]);
        },
        differentiable: false,
        ulps: d === 1 ? 1e9 : 64, // one column: x − mean is 0, and what rounding leaves is multiplied by 1/√eps
      },
    ];
  });
}

function losses(): OperationCase[] {
  const rows: OperationCase[] = [];
  for (const [m, c] of [
    [1, 2],
    [5, 3],
    [64, 3],
    [7, 33],
    [130, 3],
  ]) {
    for (const smoothing of [0, 0.1]) {
      for (const [label, values] of [
        ['', [0, 1, 1, 0]],
        [' with ignored rows', [0, -1, 1]],
        [' all ignored', [-1]],
      ] as const) {
        const name = `(${m}, ${c}) smoothing ${smoothing}${label}`;
        const target: CaseInput = { shape: [m], dtype: 'i32', values };
        rows.push({
          operation: 'softmax_cross_entropy',
          name,
          inputs: [{ shape: [m, c] }, target],
          apply: ([x, y]) => [softmaxCrossEntropy(x, y, { smoothing }).loss],
          differentiable: m * c <= 200,
          ulps: 32,
        });
        rows.push({
          operation: 'softmax_cross_entropy_grad',
          name,
          inputs: [{ shape: [1] }, { shape: [m, c] }, target],
          apply: ([dLoss, x, y]) => {
            const [, probs] = raw('softmax_cross_entropy', { smoothing })([x, y]);
            return [probs, ...raw('softmax_cross_entropy_grad', { smoothing })([dLoss, probs, y])];
          },
          differentiable: false,
          ulps: 32,
        });
      }
    }
  }
  return rows;
}

function dropouts(): OperationCase[] {
  return RAGGED.flatMap(({ shape, name }) =>
    [0.1, 0.5].map(
      (p): OperationCase => ({
        operation: 'dropout',
        name: `${name} p ${p}`,
        inputs: [{ shape, values: 'positive' }, RNG],
        apply: ([x, rng]) => [dropout(x, rng, { p, stream: 3 })],
      }),
    ),
  );
}

function steps(): OperationCase[] {
  const list: [Shape, number][] = [
    [[1, 1, 1], 0],
    [[3, 4, 5], -1],
    [[2, 7, 33], 3],
    [[2, 100, 128], -1],
  ];
  return list.flatMap(([shape, index]): OperationCase[] => [
    {
      operation: 'select_step',
      name: `(${shape.join(', ')}) step ${index}`,
      inputs: [{ shape }],
      apply: ([x]) => [selectStep(x, index)],
      differentiable: size(shape) <= 200,
      ulps: 0,
    },
    {
      operation: 'select_step_grad',
      name: `(${shape.join(', ')}) step ${index}`,
      inputs: [{ shape: [shape[0], shape[2]] }],
      apply: raw('select_step_grad', { index: index < 0 ? index + shape[1] : index, steps: shape[1] }),
      differentiable: false,
      ulps: 0,
    },
  ]);
}

function columnsOf(): OperationCase[] {
  return [
    ...[[3], [1, 2], [5, 1, 7], [33, 16, 64]].map(
      (widths): OperationCase => ({
        operation: 'concat',
        name: `widths ${widths.join(', ')}`,
        inputs: widths.map((width) => ({ shape: [2, 3, width] })),
        apply: (tensors) => [concat(tensors)],
        differentiable: size(widths) < 100,
        ulps: 0,
      }),
    ),
    ...(
      [
        [5, 0, 5],
        [5, 1, 3],
        [5, 4, 1],
        [70, 3, 65],
      ] as const
    ).map(
      ([width, start, length]): OperationCase => ({
        operation: 'slice',
        name: `${length} of ${width} columns from ${start}`,
        inputs: [{ shape: [4, width] }],
        apply: ([x]) => [slice(x, { start, length })],
        differentiable: width < 10,
        ulps: 0,
      }),
    ),
  ];
}

function reductions(): OperationCase[] {
  const list: Shape[] = [[1, 1], [3], [7, 5], [2, 3, 17], [1000, 3], [129, 130], [1, 5000]];
  return list.flatMap((shape): OperationCase[] => {
    const name = `(${shape.join(', ')})`;
    const differentiable = size(shape) <= 200;
    const ulps = 8 + Math.sqrt(size(shape));
    return [
      { operation: 'sum_rows', name, inputs: [{ shape }], apply: ([x]) => [sumRows(x)], differentiable, ulps },
      { operation: 'sum_squares', name, inputs: [{ shape }], apply: ([x]) => [sumSquares(x)], differentiable, ulps },
    ];
  });
}

function clips(): OperationCase[] {
  return (
    [
      [1, [4]],
      [5, [0.25]],
      [3, [1e-20, 0]],
      [2, [Number.NaN, 1]],
      [40, [1, 2, 3]],
    ] as [number, number[]][]
  ).flatMap(([count, values]) =>
    [1, 100, 0, -1].map(
      (maxNorm): OperationCase => ({
        operation: 'clip_coefficient',
        name: `${count} parts of ${values.join(', ')}, maxNorm ${maxNorm}`,
        inputs: Array.from({ length: count }, (_, i) => ({ shape: [1], values: [values[i % values.length]] })),
        apply: (squares) => Object.values(clipCoefficient(squares, maxNorm)),
        differentiable: false,
      }),
    ),
  );
}

function standardizes(): OperationCase[] {
  return (['normal', 'wide', 'special'] as const).map((values) => ({
    operation: 'standardize',
    name: `${values} values`,
    inputs: [{ shape: [2, 7, 37], values }, { shape: [37] }, { shape: [37], values: 'positive' }],
    apply: ([x, mean, inverseStd]) => [standardize(x, mean, inverseStd, { clip: 2.5 })],
    differentiable: false,
    relative: values === 'special',
  }));
}

/** In place in states, so it is tested on graphs of its own (adamw.test.ts); here only the names are accounted for. */
export const TESTED_ELSEWHERE: ReadonlySet<string> = new Set([adamw.name]);

export const CASES: readonly OperationCase[] = [
  ...linears(),
  ...qlinears(),
  ...matmuls(),
  ...binary('add', add),
  ...binary('mul', mul),
  ...unary('scale', (x) => scale(x, -0.3), true),
  ...standardizes(),
  ...unary('relu', relu, true),
  ...elementwiseGradient('relu_grad'),
  ...unary('gelu', gelu, true, 16),
  ...elementwiseGradient('gelu_grad', 16),
  ...norms(),
  ...attentions(),
  ...dropouts(),
  ...steps(),
  ...columnsOf(),
  { operation: 'reshape', name: 'of an input', inputs: [{ shape: [4, 6] }], apply: ([x]) => [reshape(x, [2, 12])] },
  {
    operation: 'reshape',
    name: 'between operations',
    inputs: [{ shape: [4, 6] }],
    apply: ([x]) => [relu(reshape(scale(x, 2), [24]))],
  },
  ...unary('softmax', softmax, true, 32),
  ...losses(),
  ...reductions(),
  ...clips(),
];
