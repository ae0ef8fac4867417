/** Rows of the operations that work on whole rows or columns: norms, losses, selections, reductions. */
import {
  clipNorm,
  concat,
  embedding,
  layerNorm,
  relu,
  reshape,
  type Shape,
  scale,
  selectStep,
  slice,
  softCrossEntropy,
  softmaxCrossEntropy,
  sumRows,
  sumSquares,
} from '../../src/graph/index.js';
import { type CaseInput, type OperationCase, RNG, raw, size } from './case.js';

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
      {
        operation: 'dropout_add_norm_grad',
        name,
        inputs: [{ shape }, ...operands, { shape }, RNG],
        apply: ([dy, sum, gamma, beta, past, rng]) => {
          const [, mean, rstd] = raw('layer_norm', { eps: 1e-5 })([sum, gamma, beta]);
          return raw('dropout_add_norm_grad', { p: 0.3, stream: 4 })([dy, sum, gamma, mean, rstd, past, rng]);
        },
        differentiable: false,
        ulps: d === 1 ? 1e9 : 64,
      },
      {
        operation: 'layer_norm_grad',
        name: `${name} and a residual`,
        inputs: [{ shape }, ...operands, { shape }],
        apply: ([dy, x, gamma, beta, residual]) => {
          const [, mean, rstd] = raw('layer_norm', { eps: 1e-5 })([x, gamma, beta]);
          return raw('layer_norm_grad')([dy, x, gamma, mean, rstd, residual]);
        },
        differentiable: false,
        ulps: d === 1 ? 1e9 : 64,
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

/** Soft targets: mixtures, weights, rows of zeros. */
function softLosses(): OperationCase[] {
  return (
    [
      [1, 2],
      [5, 3],
      [64, 3],
      [7, 33],
    ] as const
  ).flatMap(([m, c]) =>
    [0, 0.5, 2].flatMap((gamma): OperationCase[] =>
      (
        [
          ['', [0.7, 0.2, 0.1, 0, 1, 0.4]],
          [' all left out', [0]],
        ] as const
      ).flatMap(([label, values]): OperationCase[] => {
        const name = `(${m}, ${c}) gamma ${gamma}${label}`;
        const target: CaseInput = { shape: [m, c], values };
        return [
          {
            operation: 'soft_cross_entropy',
            name,
            inputs: [{ shape: [m, c] }, target],
            apply: ([x, q]) => [softCrossEntropy(x, q, { gamma }).loss],
            wrt: [0],
            differentiable: m * c <= 200,
            ulps: 32,
          },
          {
            operation: 'soft_cross_entropy_grad',
            name,
            inputs: [{ shape: [1] }, { shape: [m, c] }, target],
            apply: ([dLoss, x, q]) => {
              const [, probs] = raw('soft_cross_entropy', { gamma })([x, q]);
              return [probs, ...raw('soft_cross_entropy_grad', { gamma })([dLoss, probs, q])];
            },
            differentiable: false,
            ulps: 64,
          },
        ];
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

/** Repeated, missing, padding and foreign indices; widths of quads and of none, over one tile of columns and more. */
function lookups(): OperationCase[] {
  const list: [string, Shape, Shape, readonly number[], number?][] = [
    ['one of one', [1, 1], [1], [0]],
    ['repeated', [5, 3], [7], [2, 0, 2, 4, 2]],
    ['two axes, columns in quads', [4, 8], [3, 5], [3, 1, 1, 0]],
    ['padding that is not looked up', [6, 5], [2, 3], [1, 5, 4], 0],
    ['padding', [6, 5], [2, 4], [0, 5, 3, 3, 0], 3],
    ['indices outside', [3, 4], [9], [0, -1, 2, 3, 1, 2147483647, -2147483648]],
    ['indices outside, ragged, with padding', [3, 7], [2, 1, 5], [0, -1, 2, 3, 1], 0],
    ['wider than a tile', [9, 133], [70], [8, 0, 3, 3, 7, 1, 5]],
    ['larger', [300, 64], [4, 100], [17, 299, 0, 5, 17, 123, 256, 31, 17]],
  ];
  return list.flatMap(([label, table, shape, values, padding = -1]): OperationCase[] => {
    const name = `${label}: (${table.join(', ')}) by (${shape.join(', ')})`;
    const indices: CaseInput = { shape, dtype: 'i32', values };
    return [
      {
        operation: 'embedding',
        name,
        inputs: [{ shape: table }, indices],
        apply: ([x, at]) => [embedding(x, at, padding < 0 ? {} : { padding })],
        // What padding keeps from a row, differences do see.
        differentiable: size(table) <= 200 && !label.includes('outside') && label !== 'padding',
        ulps: 0,
      },
      {
        operation: 'embedding_grad',
        name,
        inputs: [{ shape: [...shape, table[1]] }, indices],
        apply: raw('embedding_grad', { count: table[0], padding }),
        differentiable: false,
        ulps: 16,
      },
    ];
  });
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
      [3, [1e-15, 0]],
      [2, [Number.NaN, 1]],
      [40, [1, 2, 3]],
    ] as [number, number[]][]
  ).flatMap(([count, values]) =>
    [1, 100, 0, -1].map(
      (maxNorm): OperationCase => ({
        operation: 'clip_norm',
        name: `${count} tensors of ${values.join(', ')}, maxNorm ${maxNorm}`,
        inputs: Array.from({ length: count }, (_, i) => ({ shape: [1 + i, 3], values })),
        apply: (gradients) => Object.values(clipNorm(gradients, maxNorm)),
        differentiable: false,
      }),
    ),
  );
}

export const ROW_CASES: readonly OperationCase[] = [
  ...norms(),
  ...losses(),
  ...softLosses(),
  ...steps(),
  ...lookups(),
  ...columnsOf(),
  ...reductions(),
  ...clips(),
  { operation: 'reshape', name: 'of an input', inputs: [{ shape: [4, 6] }], apply: ([x]) => [reshape(x, [2, 12])] },
  {
    operation: 'reshape',
    name: 'between operations',
    inputs: [{ shape: [4, 6] }],
    apply: ([x]) => [relu(reshape(scale(x, 2), [24]))],
  },
];
