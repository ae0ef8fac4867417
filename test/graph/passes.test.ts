import { describe, expect, test } from 'vitest';
import {
  attention,
  autocast,
  conv1d,
  differentiate,
  experts,
  fuseLinear,
  Graph,
  gelu,
  graphStatistics,
  interpret,
  layerNorm,
  linear,
  lstm,
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
  sumSquares,
  type Tensor,
  withoutDeadCode,
} from '../../src/graph/index.js';
import { contents, encoder, expectEqual, kernels, linearGraph } from './pass-graphs.js';

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
