/** Rows of the operations that work element by element. */
import {
  add,
  dropout,
  dropPath,
  exp,
  gelu,
  leakyRelu,
  log,
  mul,
  relu,
  type Shape,
  scale,
  sigmoid,
  softmax,
  standardize,
  type Tensor,
  tanh,
} from '../../src/graph/index.js';
import { type OperationCase, RNG, raw, size } from './case.js';
import type { Fill } from './values.js';

const shapes = (list: readonly Shape[]) => list.map((shape) => ({ shape, name: `(${shape.join(', ')})` }));
const RAGGED = shapes([[1], [3], [7, 5], [2, 3, 17], [4, 33], [1, 1000], [3, 64]]);

function unary(
  operation: string,
  apply: (x: Tensor) => Tensor,
  specials: boolean,
  { ulps, relativeTo }: { ulps?: number; relativeTo?: number } = {},
): OperationCase[] {
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
    relativeTo,
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
function elementwiseGradient(
  operation: string,
  { ulps, relativeTo, attrs }: { ulps?: number; relativeTo?: number; attrs?: Record<string, number> } = {},
): OperationCase[] {
  const make = (shape: Shape, values: Fill): OperationCase => ({
    operation,
    name: `(${shape.join(', ')}) ${String(values)}`,
    inputs: [{ shape }, { shape, values }],
    apply: raw(operation, attrs),
    differentiable: false,
    relative: values !== 'normal',
    relativeTo,
    ulps,
  });
  return [...RAGGED.map(({ shape }) => make(shape, 'normal')), make([5, 39], 'wide'), make([5, 39], 'special')];
}

/** dy and a result that lies in 0 … 1, as the gradients of sigmoid and tanh take them. */
function boundedGradient(operation: string): OperationCase[] {
  return RAGGED.map(({ shape, name }) => ({
    operation,
    name,
    inputs: [{ shape }, { shape, values: 'uniform' }],
    apply: raw(operation),
    differentiable: false,
  }));
}

function dropPaths(): OperationCase[] {
  return [[1], [37], [9, 5], [6, 3, 17], [40, 2, 16]].map(
    (shape): OperationCase => ({
      operation: 'drop_path',
      name: `(${shape.join(', ')})`,
      inputs: [{ shape }, RNG],
      apply: ([x, rng]) => [dropPath(x, rng, { p: 0.4, stream: 5 })],
      differentiable: size(shape) < 400,
    }),
  );
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

/** The operations that fuseDropout makes: `operands` in front of rng, the one at `times` multiplied by a bounded function. */
function fusedDropout(operation: string, operands: number, times?: number): OperationCase[] {
  return RAGGED.flatMap(({ shape, name }) =>
    [0, 0.3].map(
      (p): OperationCase => ({
        operation,
        name: `${name} p ${p}`,
        inputs: [...Array.from({ length: operands }, () => ({ shape })), RNG],
        apply: raw(operation, { p, stream: 5 }),
        differentiable: false,
        relative: times !== undefined,
        relativeTo: times,
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

export const ELEMENTWISE_CASES: readonly OperationCase[] = [
  ...binary('add', add),
  ...binary('mul', mul),
  ...unary('scale', (x) => scale(x, -0.3), true),
  ...standardizes(),
  ...unary('relu', relu, true),
  ...elementwiseGradient('relu_grad'),
  ...unary('gelu', gelu, true, { ulps: 4, relativeTo: 0 }),
  ...elementwiseGradient('gelu_grad', { ulps: 6, relativeTo: 0 }),
  ...RAGGED.map(({ shape, name }) => ({
    operation: 'gelu_with_slope',
    name,
    inputs: [{ shape }],
    apply: raw('gelu_with_slope'),
    differentiable: false,
  })),
  ...unary('leaky_relu', (x) => leakyRelu(x, { slope: 0.01 }), true),
  ...elementwiseGradient('leaky_relu_grad', { attrs: { slope: 0.2 } }),
  ...unary('tanh', tanh, true),
  ...boundedGradient('tanh_grad'),
  ...unary('sigmoid', sigmoid, false),
  ...boundedGradient('sigmoid_grad'),
  ...unary('exp', exp, false),
  ...RAGGED.map(
    ({ shape, name }): OperationCase => ({
      operation: 'log',
      name,
      inputs: [{ shape, values: 'positive' }],
      apply: ([x]) => [log(x)],
      differentiable: size(shape) <= 200,
    }),
  ),
  {
    operation: 'log',
    name: 'special values',
    inputs: [{ shape: [7], values: [0, -0, 1, -1, 2 ** -149, Number.POSITIVE_INFINITY, Number.NaN] }],
    apply: ([x]) => [log(x)],
    differentiable: false,
  },
  ...dropouts(),
  ...dropPaths(),
  ...fusedDropout('gelu_dropout', 1, 0),
  ...fusedDropout('gelu_dropout_grad', 2, 0),
  ...fusedDropout('gelu_dropout_with_slope', 1),
  ...fusedDropout('dropout_add', 2),
  ...unary('softmax', softmax, true, { ulps: 32 }),
];
