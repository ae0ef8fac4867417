import { describe, expect, test } from 'vitest';
import {
  attention,
  autocast,
  conv1d,
  differentiate,
  dropout,
  experts,
  fuseDropout,
  fuseLinear,
  fuseMatmul,
  fuseNormGrad,
  fuseResidualGrad,
  fuseSumRows,
  Graph,
  gelu,
  graphStatistics,
  interpret,
  layerNorm,
  linear,
  lstm,
  matmul,
  OPERATIONS,
  printGraph,
  qlinear,
  qlinearStatic,
  readRowsOnly,
  relu,
  requantise,
  rewriteGraph,
  route,
  selectStep,
  softmax,
  storeGeluSlope,
  sumRows,
  sumSquares,
  type Tensor,
  withoutDeadCode,
} from '../../src/graph/index.js';
import { layerNormOperation } from '../../src/graph/ops/layer-norm.js';
import { layerNormGradOperation } from '../../src/graph/ops/layer-norm-grad.js';
import { qlinearOperation } from '../../src/graph/ops/qlinear.js';
import { fill } from './values.js';

const kernels = (graph: Graph) =>
  graph.nodes.map((node) => node.operation.name).filter((name) => name !== 'input' && name !== 'state');

/** Random contents for every input and state of a graph. */
function contents(graph: Graph): { inputs: Record<string, Float64Array>; state: Record<string, Float64Array> } {
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

function expectEqual(a: Graph, b: Graph): void {
  const given = contents(a);
  const first = interpret(a, given);
  const second = interpret(b, given);
  for (const name of a.outputs.keys()) expect(second.outputs[name].data).toEqual(first.outputs[name].data);
  for (const name of a.updates.keys()) expect(second.updates[name].data).toEqual(first.updates[name].data);
}

/** x (4, 6) through linear, then `build`. */
function linearGraph(build: (y: Tensor, x: Tensor, graph: Graph) => Tensor | Tensor[]): Graph {
  const graph = new Graph();
  const x = graph.input('x', [4, 6]);
  const y = linear(x, graph.state('w', [6, 6]), graph.state('b', [6]));
  for (const [i, result] of [build(y, x, graph)].flat().entries()) graph.output(`y${i}`, result);
  return graph;
}

describe('fuseLinear', () => {
  test.each([
    ['an activation', ['linear'], (y: Tensor) => gelu(y)],
    ['a residual on the left', ['linear'], (y: Tensor, x: Tensor) => x.add(y)],
    ['a residual on the right', ['linear'], (y: Tensor, x: Tensor) => y.add(x)],
    ['an activation, then a residual', ['linear'], (y: Tensor, x: Tensor) => x.add(relu(y))],
    ['only the first of two activations', ['linear', 'relu'], (y: Tensor) => relu(gelu(y))],
    ['no activation after a residual', ['linear', 'gelu'], (y: Tensor, x: Tensor) => gelu(x.add(y))],
    ['only one of two residuals', ['linear', 'add'], (y: Tensor, x: Tensor) => x.add(y).add(x)],
    ['nothing that has another reader', ['linear', 'gelu', 'add'], (y: Tensor) => gelu(y).add(y)],
    ['nothing that is a result itself', ['linear', 'gelu'], (y: Tensor) => [y, gelu(y)]],
    ['no sum with itself', ['linear', 'add'], (y: Tensor) => y.add(y)],
    ['no repeated operand', ['linear', 'add'], (y: Tensor, _: Tensor, g: Graph) => y.add(g.state('b', [6]))],
  ])('fuses %s', (_, expected, build) => {
    const graph = linearGraph(build as (y: Tensor, x: Tensor, graph: Graph) => Tensor | Tensor[]);
    const fused = fuseLinear(graph);
    expect(kernels(fused)).toEqual(expected);
    expectEqual(graph, fused);
  });

  test('fuses into qlinear too', () => {
    const graph = new Graph();
    const x = graph.input('x', [4, 6]);
    graph.output('y', x.add(gelu(qlinear(x, graph.state('wq', [6, 6], 'i8'), graph.state('scale', [6])))));
    const fused = fuseLinear(graph);
    expect(kernels(fused)).toEqual(['qlinear']);
    expectEqual(graph, fused);
  });

  test('fuses into qlinear_static too, and into no product whose peaks are gathered', () => {
    const graph = new Graph();
    const x = graph.input('x', [4, 6]);
    const [wq, scale] = [graph.state('wq', [6, 6], 'i8'), graph.state('scale', [6])];
    const y = qlinearStatic(x, wq, scale, undefined, { x: { scale: Math.fround(0.03), zero: 120 } });
    graph.output('y', x.add(gelu(y)));
    const fused = fuseLinear(graph);
    expect(kernels(fused)).toEqual(['qlinear_static']);
    expectEqual(graph, fused);

    const gathered = new Graph();
    const inputs = [gathered.input('x', [4, 6]), gathered.state('wq', [6, 6], 'i8'), gathered.state('scale', [6])];
    const [z, peaks] = gathered.apply(qlinearOperation, inputs, { activation: 'none', peaks: true });
    gathered.output('y', relu(z));
    gathered.output('peaks', peaks);
    expect(kernels(fuseLinear(gathered))).toEqual(['qlinear', 'relu']);
  });

  test('keeps gradients as they are', () => {
    const graph = linearGraph((y, x) => sumSquares(x.add(relu(y))));
    const w = graph.state('w2', [6, 6], 'f32', { trainable: true });
    const loss = sumSquares(relu(linear(graph.inputs.get('x')!, w)));
    graph.output('loss', loss);
    graph.output('gradient', differentiate(graph, loss).get('w2')!);
    const fused = fuseLinear(graph);
    expect(kernels(fused).filter((name) => name === 'relu')).toEqual([]);
    expectEqual(graph, fused);
  });
});

describe('autocast', () => {
  const precisions = (graph: Graph) =>
    graph.nodes
      .filter(({ operation }) => ['linear', 'matmul', 'attention'].includes(operation.name))
      .map(({ operation, attrs }) => `${operation.name} ${attrs.precision ?? 'f32'}`);
  const model = () => {
    const graph = new Graph();
    const weight = (name: string, n: number, k: number) => graph.state(name, [n, k], 'f32', { trainable: true });
    const x = graph.input('x', [2, 3, 8]);
    const o = attention(linear(x, weight('qkv', 24, 8)), { heads: 2 });
    const hidden = relu(
      linear(layerNorm(x.add(o), graph.state('gamma', [8]), graph.state('beta', [8])), weight('hidden', 8, 8)),
    );
    graph.output('a', linear(hidden, weight('a', 3, 8)));
    graph.output('b', softmax(linear(hidden, weight('b', 3, 8))));
    return graph;
  };

  test('rounds all products but the last before each result', () => {
    const graph = model();
    expect(precisions(autocast(graph))).toEqual([
      'linear bf16',
      'attention bf16',
      'linear bf16',
      'linear f32',
      'linear f32',
    ]);
    expect(precisions(graph).every((product) => product.endsWith('f32'))).toBe(true);
  });

  test('rounds convolutions, recurrent layers and experts too, and so do their gradients', () => {
    const graph = new Graph();
    const weight = (name: string, ...shape: number[]) => graph.state(name, shape, 'f32', { trainable: true });
    const convolved = conv1d(graph.input('x', [2, 6, 3]), weight('kernel', 8, 1, 3, 3));
    const states = lstm(convolved, { wHidden: weight('wHidden', 32, 8), wInput: weight('wInput', 32, 8) });
    const { gates } = route(linear(states, weight('router', 2, 8)), { k: 1, capacity: 0 });
    const [wExpand, wContract] = [weight('wExpand', 2, 4, 8), weight('wContract', 2, 8, 4)];
    const mixed = experts(states, gates, {
      wExpand,
      bExpand: weight('b1', 2, 4),
      wContract,
      bContract: weight('b2', 2, 8),
    });
    graph.output('y', linear(mixed, weight('head', 3, 8)));
    const cast = autocast(graph);
    const marked = (of: Graph) => of.nodes.filter(({ attrs }) => attrs.precision === 'bf16');
    expect(marked(cast).map(({ operation }) => operation.name)).toEqual(['conv2d', 'lstm', 'linear', 'experts']);
    differentiate(cast, sumSquares(cast.outputs.get('y')!));
    const names = marked(cast).map(({ operation }) => operation.name);
    expect(names).toEqual(expect.arrayContaining(['conv2d_grad_weight', 'lstm_grad', 'experts_grad']));
    expect(names.filter((name) => name === 'matmul').length).toBeGreaterThanOrEqual(3);
  });

  test('leaves attention its dropout', () => {
    const graph = encoder({ attentionP: 0.5 });
    const dropouts = (of: Graph) =>
      of.nodes
        .filter(({ operation }) => operation.name === 'attention')
        .map(({ inputs, attrs }) => [inputs[1]?.dtype, attrs.dropout, attrs.stream]);
    expect(dropouts(autocast(graph))).toEqual(dropouts(graph));
    expect(dropouts(graph)).toEqual([
      ['u32', 0.5, 0],
      ['u32', 0.5, 1],
    ]);
  });

  test('leaves an explicit precision, and what is left changes by no more than bf16 rounds', () => {
    const graph = new Graph();
    const x = graph.input('x', [4, 6]);
    const [w1, w2] = [graph.state('w1', [6, 6]), graph.state('w2', [6, 6])];
    graph.output('y', linear(linear(linear(x, w1, undefined, { precision: 'f32' }), w1), w2));
    const cast = autocast(graph);
    expect(precisions(cast)).toHaveLength(3);
    const given = contents(graph);
    const [want, got] = [graph, cast].map((g) => interpret(g, given).outputs.y.data);
    const size = Math.max(...want.map(Math.abs));
    expect(got).not.toEqual(want);
    for (const [i, value] of want.entries()) expect(Math.abs(got[i] - value)).toBeLessThan(0.03 * size);
  });

  test("the gradient's products have the precision of those that they belong to", () => {
    const graph = autocast(model());
    const loss = sumSquares(graph.outputs.get('a')!);
    graph.output('loss', loss);
    const gradients = differentiate(graph, loss);
    const matmuls = (name: string) => gradients.get(name)!.node.attrs.precision ?? 'f32';
    expect([matmuls('qkv'), matmuls('hidden'), matmuls('a')]).toEqual(['bf16', 'bf16', 'f32']);
  });
});

describe('fuseMatmul', () => {
  test.each([
    ['a factor', ['matmul'], (y: Tensor, x: Tensor) => x.mul(y)],
    ['a residual', ['matmul'], (y: Tensor, x: Tensor) => y.add(x)],
    ['a factor, then a residual', ['matmul'], (y: Tensor, x: Tensor) => x.add(y.mul(x))],
    ['no factor after a residual', ['matmul', 'mul'], (y: Tensor, x: Tensor) => y.add(x).mul(x)],
    ['one factor of two', ['matmul', 'mul'], (y: Tensor, x: Tensor) => y.mul(x).mul(x)],
    ['one residual of two', ['matmul', 'add'], (y: Tensor, x: Tensor) => y.add(x).add(x)],
    ['nothing that has another reader', ['matmul', 'mul', 'add'], (y: Tensor, x: Tensor) => y.mul(x).add(y)],
    ['nothing that is a result itself', ['matmul', 'mul'], (y: Tensor, x: Tensor) => [y, y.mul(x)]],
    ['no square', ['matmul', 'mul'], (y: Tensor) => y.mul(y)],
    ['no repeated operand', ['matmul', 'mul'], (y: Tensor, _: Tensor, g: Graph) => y.mul(g.state('b', [6]))],
  ])('fuses %s', (_, expected, build) => {
    const graph = new Graph();
    const x = graph.input('x', [4, 6]);
    const y = matmul(x, graph.state('w', [6, 6]));
    const built = (build as (y: Tensor, x: Tensor, graph: Graph) => Tensor | Tensor[])(y, x, graph);
    for (const [i, result] of [built].flat().entries()) graph.output(`y${i}`, result);
    const fused = fuseMatmul(graph);
    expect(kernels(fused)).toEqual(expected);
    expectEqual(graph, fused);
  });
});

describe('fuseNormGrad', () => {
  const build = (extra: (graph: Graph, sum: Tensor, dx: Tensor, r: Tensor) => void) => {
    const graph = new Graph();
    const [dy, x] = [graph.input('dy', [4, 6]), graph.input('x', [4, 6])];
    const r = graph.input('r', [4, 6]).relu();
    const [, mean, rstd] = graph.apply(layerNormOperation, [x, graph.state('g', [6]), graph.state('b', [6])], {
      eps: 0.1,
    });
    const [dx, dgamma] = graph.apply(layerNormGradOperation, [dy, x, graph.state('g', [6]), mean, rstd], {});
    graph.update('g', dgamma);
    extra(graph, r.add(dx), dx, r);
    return graph;
  };
  test.each([
    ['fuses the sum with what comes past the layer', 0, (graph: Graph, sum: Tensor) => graph.output('y', sum)],
    ['leaves what has another reader', 1, (graph: Graph, sum: Tensor, dx: Tensor) => graph.output('y', sum.mul(dx))],
    [
      'takes one residual of two',
      1,
      (graph: Graph, sum: Tensor, _: Tensor, r: Tensor) => graph.output('y', sum.add(r)),
    ],
    [
      'leaves what is computed later',
      1,
      (graph: Graph, _: Tensor, dx: Tensor, r: Tensor) => graph.output('y', dx.add(r.relu())),
    ],
  ])('%s', (_, adds, extra) => {
    const graph = build(extra);
    const fused = fuseNormGrad(graph);
    expect(kernels(fused).filter((kernel) => kernel === 'add')).toHaveLength(adds);
    expectEqual(graph, fused);
  });
});

describe('fuseSumRows', () => {
  test.each([
    ['fuses the sums of a product', 'matmul_sum_rows', (x: Tensor, g: Graph) => matmul(x, g.state('w', [6, 5]))],
    [
      'fuses them where there is a transposed weight',
      'matmul_sum_rows',
      (x: Tensor, g: Graph) => matmul(x, g.state('w', [5, 6]), { transB: true }),
    ],
    ['leaves those of a weight gradient', 'matmul', (x: Tensor) => matmul(x, x, { transA: true })],
  ])('%s', (_, expected, build) => {
    const graph = new Graph();
    const c = build(graph.input('x', [4, 6]), graph);
    graph.output('sums', sumRows(c));
    graph.output('c', c);
    const fused = fuseSumRows(graph);
    expect(kernels(fused)[0]).toBe(expected);
    expectEqual(graph, fused);
  });

  test('looks through a reshape that keeps the columns, and through no other', () => {
    for (const [shape, expected] of [
      [[8, 5], ['matmul_sum_rows']],
      [
        [4, 10],
        ['matmul', 'sum_rows'],
      ],
    ] as const) {
      const graph = new Graph();
      const c = matmul(graph.input('x', [2, 4, 6]), graph.state('w', [6, 5]));
      graph.output('sums', sumRows(c.reshape(shape)));
      graph.output('c', c);
      const fused = fuseSumRows(graph);
      expect(kernels(fused).filter((kernel) => kernel !== 'reshape')).toEqual(expected);
      expectEqual(graph, fused);
    }
  });
});

describe('fuseResidualGrad', () => {
  const trained = (p: number) => {
    const graph = new Graph();
    const rng = graph.input('rng', [4], 'u32');
    const parameter = (name: string, shape: number[]) => graph.state(name, shape, 'f32', { trainable: true });
    const norm = (x: Tensor, i: number) => layerNorm(x, parameter(`g${i}`, [8]), parameter(`b${i}`, [8]));
    let x = linear(graph.input('x', [3, 4, 8]), parameter('w', [8, 8]), parameter('c', [8]));
    for (const i of [0, 1, 2]) {
      const branch = linear(norm(x, i), parameter(`w${i}`, [8, 8]), parameter(`c${i}`, [8]));
      x = x.add(p > 0 ? dropout(branch, rng, { p }) : branch);
    }
    const loss = sumSquares(norm(x, 3));
    graph.output('loss', loss);
    for (const [name, gradient] of differentiate(graph, loss)) graph.update(name, gradient);
    return fuseNormGrad(fuseDropout(graph));
  };

  test('joins norm, dropout and the sums of rows in the backward pass', () => {
    const graph = trained(0.4);
    const fused = fuseResidualGrad(graph);
    const count = (name: string) => kernels(fused).filter((kernel) => kernel === name).length;
    // The last norm has nothing beside it, and below the first there is no dropout.
    expect([count('dropout_add_norm_grad'), count('layer_norm_grad'), count('dropout')]).toEqual([2, 2, 1]);
    expectEqual(graph, fused);
  });

  test('leaves a graph without dropout as it was', () => {
    const graph = trained(0);
    expect(printGraph(fuseResidualGrad(graph))).toBe(printGraph(withoutDeadCode(graph)));
  });
});

describe('fuseDropout', () => {
  const inputs = (graph: Graph) => [graph.input('x', [4, 6]), graph.input('r', [4, 6]), graph.input('rng', [4], 'u32')];
  test.each([
    ['an activation', ['gelu_dropout'], (x: Tensor, _: Tensor, rng: Tensor) => dropout(gelu(x), rng, { p: 0.5 })],
    [
      'a residual on the right',
      ['dropout_add'],
      (x: Tensor, r: Tensor, rng: Tensor) => dropout(x, rng, { p: 0.5 }).add(r),
    ],
    [
      'a residual on the left',
      ['dropout_add'],
      (x: Tensor, r: Tensor, rng: Tensor) => r.add(dropout(x, rng, { p: 0.5 })),
    ],
    [
      'one of two branches',
      ['dropout', 'dropout_add'],
      (x: Tensor, r: Tensor, rng: Tensor) => dropout(r, rng, { p: 0.5 }).add(dropout(x, rng, { p: 0.5 })),
    ],
    [
      'an activation, and leaves the residual',
      ['gelu_dropout', 'add'],
      (x: Tensor, r: Tensor, rng: Tensor) => dropout(gelu(x), rng, { p: 0.5 }).add(r),
    ],
    [
      'nothing that has another reader',
      ['gelu', 'dropout', 'add'],
      (x: Tensor, r: Tensor, rng: Tensor) => {
        const activated = gelu(x);
        const dropped = dropout(activated, rng, { p: 0.5 });
        return [activated, dropped, dropped.add(r)];
      },
    ],
    [
      'no sum with itself',
      ['dropout', 'add'],
      (x: Tensor, _: Tensor, rng: Tensor) => {
        const y = dropout(x, rng, { p: 0.5 });
        return y.add(y);
      },
    ],
    [
      'no repeated operand',
      ['dropout', 'add'],
      (x: Tensor, _: Tensor, rng: Tensor, graph: Graph) => x.add(dropout(graph.state('b', [6]), rng, { p: 0.5 })),
    ],
  ])('fuses %s', (_, expected, build) => {
    const graph = new Graph();
    const [x, r, rng] = inputs(graph);
    const results = (build as (...tensors: [Tensor, Tensor, Tensor, Graph]) => Tensor | Tensor[])(x, r, rng, graph);
    for (const [i, result] of [results].flat().entries()) graph.output(`y${i}`, result);
    const fused = fuseDropout(graph);
    expect(kernels(fused)).toEqual(expected);
    expectEqual(graph, fused);
  });

  test('keeps the slope of a GELU for its gradient, with and without dropout', () => {
    for (const p of [0, 0.3]) {
      const graph = new Graph();
      const [x, , rng] = inputs(graph);
      const w = graph.state('w', [6, 6], 'f32', { trainable: true });
      const activated = gelu(linear(x, w));
      graph.output('loss', sumSquares(linear(p > 0 ? dropout(activated, rng, { p }) : activated, w)));
      graph.output('gradient', differentiate(graph, graph.outputs.get('loss')!).get('w')!);
      const stored = storeGeluSlope(fuseDropout(graph));
      const names = kernels(stored);
      expect(names).toContain(p > 0 ? 'gelu_dropout_with_slope' : 'gelu_with_slope');
      expect(names.filter((name) => /^gelu(_dropout)?(_grad)?$/.test(name))).toEqual([]);
      const given = contents(graph);
      const [want, got] = [graph, stored].map((g) => interpret(g, given).outputs);
      expect(got.loss.data).toEqual(want.loss.data);
      for (const [i, value] of want.gradient.data.entries()) expect(got.gradient.data[i]).toBeCloseTo(value, 10);
    }
  });

  test('leaves a GELU alone whose gradient nobody asks for, or that draws another mask', () => {
    const graph = new Graph();
    const [x, r, rng] = inputs(graph);
    const other = graph.input('other', [4], 'u32');
    graph.output('y', dropout(gelu(x), rng, { p: 0.5, stream: 1 }));
    graph.output('z', gelu(r));
    const grad = (name: string, operands: Tensor[], attrs: Record<string, number>) =>
      graph.apply(OPERATIONS.get(name)!, operands, attrs)[0];
    graph.output('dx', grad('gelu_dropout_grad', [r, x, other], { p: 0.5, stream: 1 }));
    graph.output('dx2', grad('gelu_dropout_grad', [r, x, rng], { p: 0.5, stream: 2 }));
    graph.output('dx3', grad('gelu_grad', [r, x], {}));
    const fused = fuseDropout(graph);
    expect(kernels(storeGeluSlope(fused))).toEqual(kernels(fused));
  });

  test('fuses the gradient, which draws the same masks', () => {
    const graph = new Graph();
    const [x, r, rng] = inputs(graph);
    const w = graph.state('w', [6, 6], 'f32', { trainable: true });
    const loss = sumSquares(r.add(dropout(linear(dropout(gelu(linear(x, w)), rng, { p: 0.3 }), w), rng, { p: 0.2 })));
    graph.output('loss', loss);
    graph.output('gradient', differentiate(graph, loss).get('w')!);
    const fused = fuseDropout(graph);
    const names = kernels(fused);
    for (const name of ['gelu_dropout', 'dropout_add', 'gelu_dropout_grad']) expect(names).toContain(name);
    for (const name of ['gelu', 'gelu_grad']) expect(names).not.toContain(name);
    expectEqual(graph, fused);
  });
});

/** Two pre-norm layers over (2, 5, 8), then the last step. */
function encoder({ index = -1, causal = true, p = 0, attentionP = 0 } = {}): Graph {
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

describe('requantise', () => {
  const scales = { x: { scale: Math.fround(0.02), zero: 128 }, hidden: { scale: Math.fround(3), zero: 90 } };
  /** x (4, 6) → hidden (4, 5), which `read` gets with the weight of a second product. */
  const twoProducts = (read: (hidden: Tensor, wq: Tensor, scale: Tensor, graph: Graph) => Tensor | Tensor[]) => {
    const graph = new Graph();
    const x = graph.input('x', [4, 6]);
    const first = qlinearStatic(x, graph.state('wq', [5, 6], 'i8'), graph.state('scale', [5]), undefined, {
      x: scales.x,
    });
    const results = [read(relu(first), graph.state('w2', [7, 5], 'i8'), graph.state('scale2', [7]), graph)].flat();
    for (const [i, result] of results.entries()) graph.output(`y${i}`, result);
    return fuseLinear(graph);
  };
  const levels = (graph: Graph) => graph.nodes.filter(({ outputs }) => outputs[0].dtype === 'u8').length;
  const reader = (hidden: Tensor, wq: Tensor, scale: Tensor, x = scales.hidden) =>
    qlinearStatic(hidden, wq, scale, undefined, { x });

  test('levels go from product to product, with the same results to the bit', () => {
    for (const graph of [
      twoProducts((hidden, w, s) => reader(hidden, w, s)),
      twoProducts((hidden, w, s) => [reader(hidden, w, s), relu(reader(hidden, w, s))]),
    ]) {
      const passed = requantise(graph);
      expect(levels(passed)).toBe(1);
      expectEqual(graph, passed);
      expect(levels(requantise(passed))).toBe(1);
    }
  });

  test.each([
    ['another scale', (h: Tensor, w: Tensor, s: Tensor) => [reader(h, w, s), reader(h, w, s, scales.x)]],
    ['another operation', (h: Tensor, w: Tensor, s: Tensor) => [reader(h, w, s), gelu(h)]],
    ['the result of the graph', (h: Tensor, w: Tensor, s: Tensor) => [reader(h, w, s), h]],
    [
      'a residual',
      (h: Tensor, _w: Tensor, _s: Tensor, g: Graph) =>
        qlinearStatic(h, g.state('square', [5, 5], 'i8'), g.state('s5', [5]), undefined, {
          x: scales.hidden,
          residual: h,
        }),
    ],
  ])('not where it is also read by %s', (_, read) => {
    const graph = twoProducts(read);
    const passed = requantise(graph);
    expect(levels(passed)).toBe(0);
    expectEqual(graph, passed);
  });

  test('a graph without static products is left as it is', () => {
    const graph = linearGraph((y) => gelu(y));
    expect(requantise(graph)).toBe(graph);
  });
});

describe('readRowsOnly', () => {
  test.each([true, false])('computes one row of the last layer (causal %s)', (causal) => {
    const graph = encoder({ causal });
    const rows = readRowsOnly(graph);
    expectEqual(graph, rows);
    const attentions = rows.nodes.filter((node) => node.operation.name === 'attention');
    expect(attentions.map((node) => node.attrs.queries)).toEqual(['all', 'last']);
    expect(kernels(rows).length).toBeLessThanOrEqual(kernels(graph).length + 2);
    expect(graphStatistics(rows).flops).toBeLessThan(0.8 * graphStatistics(graph).flops);
  });

  test('stops at attention for another step than the last', () => {
    const graph = encoder({ index: 2 });
    const rows = readRowsOnly(graph);
    expectEqual(graph, rows);
    expect(rows.nodes.filter((node) => node.attrs.queries === 'last')).toEqual([]);
    expect(graphStatistics(rows).flops).toBeLessThan(graphStatistics(graph).flops);
  });

  test('keeps the dropped weights of the last query', () => {
    const graph = encoder({ attentionP: 0.5 });
    const rows = readRowsOnly(graph);
    expectEqual(graph, rows);
    const attentions = rows.nodes.filter((node) => node.operation.name === 'attention');
    expect(attentions.map(({ attrs }) => [attrs.queries, attrs.dropout, attrs.stream])).toEqual([
      ['all', 0.5, 0],
      ['last', 0.5, 1],
    ]);
  });

  test('moves through dropout only when told to', () => {
    const graph = encoder({ p: 0.5 });
    const kept = readRowsOnly(graph);
    expectEqual(graph, kept);
    expect(kept.nodes.filter((node) => node.attrs.queries === 'last')).toEqual([]);
    const moved = readRowsOnly(graph, { throughDropout: true });
    expect(moved.nodes.filter((node) => node.attrs.queries === 'last')).toHaveLength(1);
  });

  test('computes nothing twice that is needed in full', () => {
    const graph = encoder();
    const x = graph.outputs.get('y')!.node.inputs[0]!;
    graph.output('all', x);
    const rows = readRowsOnly(graph);
    expectEqual(graph, rows);
    expect(kernels(rows)).toEqual(kernels(graph));
  });

  test('leaves a second operand that has steps of its own', () => {
    const graph = new Graph();
    const x = graph.input('x', [2, 5, 8]);
    graph.output('y', selectStep(relu(x.add(graph.state('positions', [5, 8]))), -1));
    const rows = readRowsOnly(graph);
    expectEqual(graph, rows);
    expect(kernels(rows)).toEqual(['add', 'select_step', 'relu']);
  });

  test('serves two selects of one tensor', () => {
    const graph = new Graph();
    const x = gelu(graph.input('x', [2, 5, 8]));
    graph.output('first', selectStep(x, 0));
    graph.output('last', selectStep(x, -1));
    const rows = readRowsOnly(graph);
    expectEqual(graph, rows);
    expect(kernels(rows)).toEqual(['select_step', 'gelu', 'select_step', 'gelu']);
  });
});

describe('rewriting', () => {
  test('withoutDeadCode keeps inputs and drops unused nodes and states', () => {
    const graph = linearGraph((y) => y);
    graph.state('unused', [3]);
    gelu(graph.input('spare', [2]));
    const clean = withoutDeadCode(graph);
    expect([...clean.inputs.keys()]).toEqual(['x', 'spare']);
    expect([...clean.states.keys()]).toEqual(['w', 'b']);
    expect(kernels(clean)).toEqual(['linear']);
  });

  test('a rule replaces nodes and drops the states that only they read', () => {
    const graph = linearGraph((y) => relu(y));
    const replaced = rewriteGraph(graph, (node, rewriter) => {
      if (node.operation.name !== 'linear') return undefined;
      const [x, , bias] = node.inputs.map((input) => input && rewriter.get(input));
      const wq = rewriter.target.state('w.q', [6, 6], 'i8');
      return [qlinear(x!, wq, rewriter.target.state('w.scale', [6]), bias)];
    });
    expect(kernels(replaced)).toEqual(['qlinear', 'relu']);
    expect([...replaced.states.keys()].sort()).toEqual(['b', 'w.q', 'w.scale']);
    expect(kernels(graph)).toEqual(['linear', 'relu']);
  });

  test('streams of random operations made after a pass stay apart from those before', () => {
    const graph = encoder({ p: 0.5 });
    const copy = withoutDeadCode(graph);
    expect(copy.nextStream()).toBe(2);
  });
});

describe('statistics and text', () => {
  test('counts a linear layer: two flops a product', () => {
    const { flops, operations } = graphStatistics(linearGraph((y) => y));
    expect(flops).toBe(2 * 4 * 6 * 6);
    expect(operations).toEqual([{ operation: 'linear', count: 1, flops: 288, share: 1 }]);
  });

  test('prints one line a node', () => {
    expect(printGraph(linearGraph((y) => gelu(y)))).toBe(
      [
        'input x: f32 (4, 6)',
        'state w: f32 (6, 6)',
        'state b: f32 (6)',
        '%3 = linear(x, w, b, –) {activation: none}: f32 (4, 6)',
        '%4 = gelu(%3): f32 (4, 6)',
        'output y0 = %4',
        '',
      ].join('\n'),
    );
  });
});
