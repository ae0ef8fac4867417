import { describe, expect, test } from 'vitest';
import {
  differentiate,
  dropout,
  fuseDropout,
  fuseLinear,
  fuseMatmul,
  fuseNormGrad,
  fuseResidualGrad,
  fuseSumRows,
  Graph,
  gelu,
  interpret,
  layerNorm,
  linear,
  matmul,
  OPERATIONS,
  printGraph,
  qlinear,
  qlinearStatic,
  relu,
  storeGeluSlope,
  sumRows,
  sumSquares,
  type Tensor,
  withoutDeadCode,
} from '../../src/graph/index.js';
import { layerNormOperation } from '../../src/graph/ops/layer-norm.js';
import { layerNormGradOperation } from '../../src/graph/ops/layer-norm-grad.js';
import { qlinearOperation } from '../../src/graph/ops/qlinear.js';
import { contents, expectEqual, kernels, linearGraph } from './pass-graphs.js';

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
