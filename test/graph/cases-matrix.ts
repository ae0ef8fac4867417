/** Rows of the operations that multiply matrices. */
import { attention, attentionLast, linear, matmul, qlinear, qlinearStatic, type Shape } from '../../src/graph/index.js';
import type { Attributes } from '../../src/graph/operation.js';
import { matmulOperation } from '../../src/graph/ops/matmul.js';
import { type OperationCase, RNG, raw, size } from './case.js';
import type { Fill } from './values.js';

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
    rows.push({
      operation: 'linear',
      name: `(${leading.join(', ')}) × ${k} → ${n} gelu bias and residual, bf16`,
      inputs: [{ shape: [...leading, k] }, { shape: [n, k] }, { shape: [n] }, { shape: [...leading, n] }],
      apply: ([x, w, bias, residual]) => [linear(x, w, bias, { activation: 'gelu', residual, precision: 'bf16' })],
      differentiable: false,
      ulps: 8 + Math.sqrt(k),
    });
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

/** Leading shape, K and N of the int8 products. */
const INT8_SIZES: [Shape, number, number][] = [
  [[1], 1, 1],
  [[2, 3], 6, 7],
  [[5], 33, 17],
  [[13], 64, 48],
  [[1], 128, 1024],
  [[65], 130, 67],
  [[7], 1024, 128],
];

function qlinears(): OperationCase[] {
  const rows: OperationCase[] = [];
  for (const [leading, k, n] of INT8_SIZES) {
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

/** The peaks of a product's rows, and the product that takes them for its scales. */
function qlinearPeaks(): OperationCase[] {
  return [
    [[5], 33, 17, 9],
    [[2, 3], 6, 70, 5],
  ].map(([leading, k, n, last]) => ({
    operation: 'qlinear',
    name: `(${leading}) × ${k} → ${n} with peaks → ${last}`,
    inputs: [
      { shape: [...(leading as number[]), k as number] },
      { shape: [n as number, k as number], dtype: 'i8', values: 'int8' },
      { shape: [n as number], values: 'positive' },
      { shape: [last as number, n as number], dtype: 'i8', values: 'int8' },
      { shape: [last as number], values: 'positive' },
    ],
    apply: ([x, wq, wscale, w2, scale2]) => {
      const [y, peaks] = raw('qlinear', { activation: 'relu', peaks: true })([x, wq, wscale]);
      return [qlinear(y, w2, scale2, undefined, { peaks })];
    },
    differentiable: false,
    cpuOnly: true,
    // A level at the border of two moves a result by far less than its row's largest, but by more than roundings.
    ulps: 2 ** 14,
  }));
}

function qlinearStatics(): OperationCase[] {
  const rows: OperationCase[] = [];
  const ofX = { scale: Math.fround(0.02), zero: 117 };
  for (const [leading, k, n] of INT8_SIZES) {
    // Results of the size of the largest magnitude over a third.
    const ofY = { scale: Math.fround(Math.sqrt(k)), zero: 100 };
    const weights = [
      { shape: [n, k], dtype: 'i8', values: 'int8' },
      { shape: [n], values: 'positive' },
      { shape: [n] },
      { shape: [...leading, n] },
    ] as const;
    for (const activation of ['none', 'relu', 'gelu'] as const) {
      const name = `(${leading.join(', ')}) × ${k} → ${n} ${activation}`;
      const row = { operation: 'qlinear_static', differentiable: false, cpuOnly: true };
      rows.push({
        ...row,
        name,
        inputs: [{ shape: [...leading, k] }, ...weights],
        apply: ([x, wq, wscale, bias, residual]) => [
          qlinearStatic(x, wq, wscale, bias, { activation, residual, x: ofX }),
          qlinearStatic(x, wq, wscale, undefined, { activation, x: ofX }),
        ],
        ulps: 8,
      });
      rows.push({
        ...row,
        name: `${name}, levels`,
        inputs: [{ shape: [...leading, k], dtype: 'u8', values: 'uint8' }, ...weights],
        apply: ([x, wq, wscale, bias, residual]) => [
          qlinearStatic(x, wq, wscale, bias, { activation, residual, x: ofX }),
          qlinearStatic(x, wq, wscale, bias, { activation, x: ofX, y: ofY }),
        ],
        // One level where GELU's last bits decide.
        ulps: activation === 'gelu' ? 2 ** 17 : 8,
      });
    }
  }
  // Levels inside: the first product writes what the second reads.
  const chain = (name: string, values: Fill): OperationCase => ({
    operation: 'qlinear_static',
    name,
    inputs: [
      { shape: [5, 37], values },
      { shape: [11, 37], dtype: 'i8', values: 'int8' },
      { shape: [11], values: 'positive' },
      { shape: [6, 11], dtype: 'i8', values: 'int8' },
      { shape: [6], values: 'positive' },
    ],
    apply: ([x, wq, wscale, w2, scale2]) => {
      const y = { scale: 5, zero: 31 };
      const hidden = qlinearStatic(x, wq, wscale, undefined, { activation: 'relu', x: ofX, y });
      return [qlinearStatic(hidden, w2, scale2, undefined, { x: y })];
    },
    differentiable: false,
    cpuOnly: true,
  });
  rows.push(
    chain('requantised between two products', 'normal'),
    chain('infinities and extremes become the outermost levels', [1, Number.POSITIVE_INFINITY, -3e38, -0, 1e-45, 2, 3]),
    chain(
      'halves round to even',
      [0.5, 1.5, 2.5, -0.5, -1.5].map((level) => Math.fround(level * ofX.scale)),
    ),
    chain('NaN becomes level 0', 'special'),
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
      [false, true].flatMap((transB) =>
        (['f32', 'bf16'] as const).map(
          (precision): OperationCase => ({
            operation: 'matmul',
            name: `${m} × ${k} × ${n}${transA ? ' aᵀ' : ''}${transB ? ' bᵀ' : ''} ${precision}`,
            inputs: [{ shape: transA ? [k, m] : [m, k] }, { shape: transB ? [n, k] : [k, n] }],
            apply: ([a, b]) => [matmul(a, b, { transA, transB, precision })],
            differentiable: m * k * n <= 1100 && precision === 'f32',
            ulps: 8 + Math.sqrt(k),
          }),
        ),
      ),
    ),
  );
}

function matmulEpilogues(): OperationCase[] {
  return [true, false].flatMap((factor) =>
    (['f32', 'bf16'] as const).map(
      (precision): OperationCase => ({
        operation: 'matmul',
        name: `${factor ? 'factor and ' : ''}residual ${precision}`,
        inputs: [{ shape: [2, 5, 7] }, { shape: [7, 9] }, { shape: [2, 5, 9] }, { shape: [2, 5, 9] }],
        apply: ([a, b, f, r]) =>
          a.graph.apply(matmulOperation, [a, b, factor ? f : undefined, r], {
            transA: false,
            transB: false,
            ...(precision === 'bf16' && { precision }),
          }),
        wrt: factor ? [0, 1, 2, 3] : [0, 1, 3],
        differentiable: precision === 'f32',
      }),
    ),
  );
}

function matmulSumRows(): OperationCase[] {
  const sizes: [Shape, number, number][] = [
    [[1], 1, 1],
    [[2, 5], 7, 9],
    [[130], 40, 70],
    [[3, 211], 24, 96],
  ];
  return sizes.flatMap(([leading, k, n]) =>
    [false, true].map((transB): OperationCase => {
      const y = { shape: [...leading, n] };
      return {
        operation: 'matmul_sum_rows',
        name: `(${leading.join(', ')}) × ${k} × ${n}${transB ? ' bᵀ, factor and residual' : ''}`,
        inputs: [{ shape: [...leading, k] }, { shape: transB ? [n, k] : [k, n] }, ...(transB ? [y, y] : [])],
        apply: raw('matmul_sum_rows', { transB, ...(n === 96 && { precision: 'bf16' }) }),
        differentiable: false,
        ulps: 8 + Math.sqrt(k),
      };
    }),
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
    rows.push(lastOnly(batch, steps, heads, headDim));
  }
  const patterns = [
    { windows: [1, 3] },
    { strides: [2, 1] },
    { alibi: [0.5, 0.125] },
    { windows: [4, 0], strides: [1, 3], alibi: [0, 0.25] },
  ];
  for (const pattern of patterns) {
    for (const causal of [false, true]) {
      for (const queries of ['all', 'last'] as const) {
        const attrs = { heads: 2, causal, queries, ...pattern };
        rows.push({
          operation: 'attention',
          name: `T 7, 2 × 3${causal ? ' causal' : ''} ${queries} ${JSON.stringify(pattern)}`,
          inputs: [{ shape: [1, 7, 18] }],
          apply: ([x]) => [attention(x, attrs)],
          differentiable: true,
          ulps: 32,
        });
      }
    }
  }
  for (const pattern of patterns) rows.push(lastOnly(2, 7, 2, 3, pattern));
  for (const pattern of [{}, patterns[3]]) {
    for (const queries of ['all', 'last'] as const) {
      const attrs = { heads: 2, causal: queries === 'all', queries, ...pattern };
      const name = `dropout, ${queries} ${JSON.stringify(pattern)}`;
      rows.push({
        operation: 'attention',
        name,
        inputs: [{ shape: [2, 7, 18] }, RNG],
        apply: ([x, rng]) => [attention(x, { ...attrs, dropout: { p: 0.4, rng, stream: 9 } })],
        ulps: 32,
        cpuOnly: true,
      });
      rows.push({
        operation: 'attention_grad',
        name,
        inputs: [{ shape: [2, queries === 'all' ? 7 : 1, 6] }, { shape: [2, 7, 18] }, RNG],
        apply: ([dO, x, rng]) => {
          const dropping = { ...attrs, dropout: 0.4, stream: 9 } as Attributes;
          const [o, lse] = raw('attention', dropping)([x, rng]);
          return [...raw('attention_grad', dropping)([dO, x, o, lse, rng]), lse];
        },
        differentiable: false,
        ulps: 64,
        cpuOnly: true,
      });
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

function lastOnly(batch: number, steps: number, heads: number, headDim: number, pattern = {}): OperationCase {
  const width = heads * headDim;
  const text = Object.keys(pattern).length > 0 ? ` ${JSON.stringify(pattern)}` : '';
  return {
    operation: 'attention_last',
    name: `B ${batch}, T ${steps}, ${heads} × ${headDim}${text}`,
    inputs: [{ shape: [batch, width] }, { shape: [batch, steps, 2 * width] }],
    apply: ([q, kv]) => [attentionLast(q, kv, { heads, ...pattern })],
    differentiable: false,
    ulps: 32,
  };
}

export const MATRIX_CASES: readonly OperationCase[] = [
  ...linears(),
  ...qlinears(),
  ...qlinearPeaks(),
  ...qlinearStatics(),
  ...matmuls(),
  ...matmulEpilogues(),
  ...matmulSumRows(),
  ...attentions(),
];
