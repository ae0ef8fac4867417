/** Definitions with known answers, and the errors of wrong operands. */
import { describe, expect, test } from 'vitest';
import { erf, erfc, normalCdf } from '../../src/graph/erf.js';
import {
  add,
  attention,
  clipNorm,
  concat,
  differentiate,
  dropout,
  embedding,
  Graph,
  interpret,
  layerNorm,
  linear,
  matmul,
  qlinear,
  qlinearStatic,
  quantiseRow,
  reshape,
  roundHalfEven,
  selectStep,
  slice,
  softmaxCrossEntropy,
  standardize,
  type Tensor,
  updateAdam,
} from '../../src/graph/index.js';

/** Runs `build` on inputs given as [shape, data]. */
function evaluate(
  build: (...tensors: Tensor[]) => Tensor,
  ...inputs: [number[], number[], ('i32' | 'u32' | 'i8' | 'f32')?][]
) {
  const graph = new Graph();
  const tensors = inputs.map(([shape, , dtype], i) => graph.input(`x${i}`, shape, dtype));
  graph.output('y', build(...tensors));
  const given = Object.fromEntries(inputs.map(([, data], i) => [`x${i}`, data]));
  return [...interpret(graph, { inputs: given }).outputs.y.data];
}

describe('erf', () => {
  // The C library's values.
  test.each([
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [2.5, 0.999593047982555],
    [2.9999999, 0.9999779094890761],
    [3, 0.9999779095030014],
  ])('erf %d', (x, expected) => {
    expect(Math.abs(erf(x) - expected)).toBeLessThan(2e-15);
    expect(erf(-x)).toBe(-erf(x));
  });

  test('erfc of large arguments keeps its relative accuracy', () => {
    expect(erfc(4) / 1.541725790028002e-8).toBeCloseTo(1, 13);
    expect(erfc(10) / 2.088487583762545e-45).toBeCloseTo(1, 13);
    expect(erfc(Number.POSITIVE_INFINITY)).toBe(0);
    expect(normalCdf(0)).toBe(0.5);
    expect(erfc(Number.NaN)).toBeNaN();
  });
});

describe('known answers', () => {
  test('linear: x·wᵀ + bias', () => {
    const y = evaluate(
      (x, w, b) => linear(x, w, b),
      [
        [1, 2],
        [1, 2],
      ],
      [
        [2, 2],
        [1, 0, 3, 4],
      ],
      [[2], [10, 20]],
    );
    expect(y).toEqual([11, 31]);
  });

  test('layer_norm of [1, 2, 3] divides by the biased deviation', () => {
    const y = evaluate(
      (x, g, b) => layerNorm(x, g, b, { eps: 0 }),
      [
        [1, 3],
        [1, 2, 3],
      ],
      [[3], [1, 1, 1]],
      [[3], [0, 0, 1]],
    );
    expect(y[0]).toBeCloseTo(-Math.sqrt(1.5), 12);
    expect(y[2]).toBeCloseTo(1 + Math.sqrt(1.5), 12);
  });

  test('causal attention: the first row is its own value, equal keys average', () => {
    // T = 3, one head of one: q = 1, k = 0, v = 1, 4, 7.
    const y = evaluate(
      (x) => attention(x, { heads: 1, causal: true }),
      [
        [1, 3, 3],
        [1, 0, 1, 1, 0, 4, 1, 0, 7],
      ],
    );
    expect(y[0]).toBe(1);
    expect(y[1]).toBeCloseTo(2.5, 12);
    expect(y[2]).toBeCloseTo(4, 12);
  });

  test('cross-entropy of equal logits is log C, with and without smoothing; ignored rows do not count', () => {
    for (const smoothing of [0, 0.1]) {
      const loss = evaluate(
        (x, y) => softmaxCrossEntropy(x, y, { smoothing }).loss,
        [
          [2, 3],
          [5, 5, 5, 1, 2, 3],
        ],
        [[2], [0, -1], 'i32'],
      );
      expect(loss[0]).toBeCloseTo(Math.log(3), 7);
    }
  });

  test('label smoothing as in PyTorch: (1 − ε)·onehot + ε/C', () => {
    const logits = [1, 2, 0.5];
    const lse = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
    const loss = evaluate(
      (x, y) => softmaxCrossEntropy(x, y, { smoothing: 0.25 }).loss,
      [[1, 3], logits],
      [[1], [1], 'i32'],
    );
    const expected = 0.75 * (lse - 2) + (0.25 / 3) * (3 * lse - 3.5);
    expect(loss[0]).toBeCloseTo(expected, 12);
  });

  test('dropout keeps or drops by Philox: seed 0, step 0, stream 0 starts with words 6627e8d5 e169c58d bc57ac4c 9b00dbd8', () => {
    const drop = (p: number) =>
      evaluate((x, rng) => dropout(x, rng, { p, stream: 0 }), [[8], new Array(8).fill(1)], [[4], [0, 0, 0, 0], 'u32']);
    const halves = [0xe8d5, 0x6627, 0xc58d, 0xe169, 0xac4c, 0xbc57, 0xdbd8, 0x9b00];
    for (const p of [0.3, 0.5, 0.61, 0.8]) {
      const threshold = Math.round(p * 2 ** 16);
      const kept = Math.fround(2 ** 16 / (2 ** 16 - threshold));
      expect(drop(p)).toEqual(halves.map((half) => (half < threshold ? 0 : kept)));
    }
  });

  test('dropout drops the share p: 40,000 elements within five standard errors', () => {
    const n = 40_000;
    const y = evaluate(
      (x, rng) => dropout(x, rng, { p: 0.1 }),
      [[n], new Array(n).fill(1)],
      [[4], [9, 9, 9, 0], 'u32'],
    );
    const dropped = y.filter((value) => value === 0).length;
    expect(Math.abs(dropped / n - 0.1)).toBeLessThan(5 * Math.sqrt((0.1 * 0.9) / n));
  });

  test('quantised rows: largest magnitude to ±127, halves to even, zeros to zeros, NaN to NaN', () => {
    const q = new Int8Array(4);
    expect(quantiseRow([-2, 1, 0.5, 0], q)).toBe(Math.fround(2 / 127));
    expect([...q]).toEqual([-127, 64, 32, 0]); // 63.5 → 64, 31.75 → 32
    expect(quantiseRow([0, 0, 0, 0], q)).toBe(0);
    expect([...q]).toEqual([0, 0, 0, 0]);
    expect(quantiseRow([1, Number.NaN, 0, 0], q)).toBeNaN();
    expect(quantiseRow([1, Number.NEGATIVE_INFINITY, 0, 0], q)).toBeNaN();
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 0, -2, 2, 3]);
  });

  test('embedding: rows by index, NaN outside; the gradient sums equal indices and leaves padding and foreign ones out', () => {
    const graph = new Graph();
    const table = graph.state('table', [3, 2], 'f32', { trainable: true });
    const y = embedding(table, graph.input('indices', [2, 3], 'i32'), { padding: 1 });
    graph.output('y', y);
    const weighted = matmul(reshape(y, [1, 12]), graph.input('weights', [12, 1]));
    graph.output('gradient', differentiate(graph, weighted).get('table')!);
    const { outputs } = interpret(graph, {
      inputs: { indices: [2, 0, 2, 1, 3, -1], weights: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] },
      state: { table: [10, 11, 20, 21, 30, 31] },
    });
    const nan = Number.NaN;
    expect([...outputs.y.data]).toEqual([30, 31, 10, 11, 30, 31, 20, 21, nan, nan, nan, nan]);
    expect([...outputs.gradient.data]).toEqual([3, 4, 0, 0, 6, 8]);
  });

  test('standardize clips, and keeps NaN', () => {
    const y = evaluate(
      (x, m, s) => standardize(x, m, s, { clip: 3 }),
      [[4], [1, 100, -100, Number.NaN]],
      [[4], [0, 0, 0, 0]],
      [[4], [2, 1, 1, 1]],
    );
    expect(y).toEqual([2, 3, -3, Number.NaN]);
  });

  test('clip_norm: 3-4-5', () => {
    const graph = new Graph();
    const { coefficient, norm } = clipNorm([graph.input('a', [1]), graph.input('b', [2])], 1);
    graph.output('coefficient', coefficient);
    graph.output('norm', norm);
    const { outputs } = interpret(graph, { inputs: { a: [3], b: [0, -4] } });
    expect(outputs.norm.data[0]).toBe(5);
    expect(outputs.coefficient.data[0]).toBeCloseTo(1 / 5, 6);
  });

  test('update_adam: the first step moves by lr against the sign of the gradient, after decay', () => {
    const graph = new Graph();
    const [param, m, v] = ['param', 'm', 'v'].map((name) => graph.state(name, [2]));
    const hyper = [0.1, 0.9, 0.999, 0, 1 - 0.9, 1 - 0.999, 0.5, 0];
    const tensors = [[param, graph.input('grad', [2]), m, v]];
    updateAdam(tensors, graph.input('hyper', [1, 8]), graph.input('c', [1]));
    const { updates } = interpret(graph, {
      inputs: { grad: [4, -8], hyper, c: [0.5] },
      state: { param: [1, -1], m: [0, 0], v: [0, 0] },
    });
    expect(updates.param.data[0]).toBeCloseTo(1 * 0.95 - 0.1, 12);
    expect(updates.param.data[1]).toBeCloseTo(-1 * 0.95 + 0.1, 12);
    expect(updates.m.data[0]).toBeCloseTo(0.1 * 2, 12);
    expect(updates.v.data[1]).toBeCloseTo(0.001 * 16, 12);
  });
});

describe('wrong operands are refused by name', () => {
  const graph = new Graph();
  const f = (...shape: number[]) => graph.input(`f${graph.nodes.length}`, shape);
  const i = (...shape: number[]) => graph.input(`i${graph.nodes.length}`, shape, 'i32');
  const u = (...shape: number[]) => graph.input(`u${graph.nodes.length}`, shape, 'u32');
  const q = (...shape: number[]) => graph.input(`q${graph.nodes.length}`, shape, 'i8');
  test.each([
    ['linear: expected shape (…, 5) (w is (4, 5)) for x but received shape (2, 3)', () => linear(f(2, 3), f(4, 5))],
    ['linear: expected 2 dimensions (N, K) for w but received shape (5)', () => linear(f(2, 5), f(5))],
    ['linear: expected shape (4) (w is (4, 5)) for bias but received shape (5)', () => linear(f(2, 5), f(4, 5), f(5))],
    [
      'linear: expected shape (2, 4) (that of the result) for residual but received shape (4)',
      () => linear(f(2, 5), f(4, 5), undefined, { residual: f(4) }),
    ],
    ['linear: expected dtype f32 for w but received i8', () => linear(f(2, 5), q(4, 5))],
    ['qlinear: expected dtype i8 for wq but received f32', () => qlinear(f(2, 5), f(4, 5), f(4))],
    [
      'qlinear: expected shape (4) (one a row of wq) for wscale but received shape (5)',
      () => qlinear(f(2, 5), q(4, 5), f(5)),
    ],
    [
      'qlinear: expected shape (2) (one a row of x) for peaks but received shape (3)',
      () => qlinear(f(2, 5), q(4, 5), f(4), undefined, { peaks: f(3) }),
    ],
    [
      'qlinear_static: expected dtype f32 or u8 for x but received i8',
      () => qlinearStatic(q(2, 5), q(4, 5), f(4), undefined, { x: { scale: 1, zero: 0 } }),
    ],
    [
      'expected a finite number of at least 7.888609052210118e-31 for x of qlinear_static.scale but received 0',
      () => qlinearStatic(f(2, 5), q(4, 5), f(4), undefined, { x: { scale: 0, zero: 0 } }),
    ],
    [
      'expected an integer between 0 and 255 for y of qlinear_static.zero but received 256',
      () => qlinearStatic(f(2, 5), q(4, 5), f(4), undefined, { x: { scale: 1, zero: 0 }, y: { scale: 1, zero: 256 } }),
    ],
    ['add: expected the shape of a, (2, 3), or a suffix of it for b but received shape (2)', () => add(f(2, 3), f(2))],
    [
      'matmul: expected 3 rows (a is (2, 3), transA false) for b but received shape (2, 3)',
      () => matmul(f(2, 3), f(2, 3)),
    ],
    [
      'attention: expected (B, T, 3·D) with D a multiple of heads = 2 for qkv but received shape (1, 4, 9)',
      () => attention(f(1, 4, 9), { heads: 2 }),
    ],
    [
      'attention: expected 3 dimensions (B, T, 3·D) for qkv but received shape (4, 12)',
      () => attention(f(4, 12), { heads: 2 }),
    ],
    [
      'layer_norm: expected shape (3) (that of gamma) for beta but received shape (4)',
      () => layerNorm(f(2, 3), f(3), f(4)),
    ],
    [
      'dropout: expected shape (4) ([seed low, seed high, step, 0]) for rng but received shape (2)',
      () => dropout(f(2), u(2), { p: 0.5 }),
    ],
    [
      'expected a finite number between 0 and 0.9999 for p of dropout but received 1.5 of type number',
      () => dropout(f(2), u(4), { p: 1.5 }),
    ],
    [
      'expected an integer between 0 and 3 for index of select_step but received 4 of type number',
      () => selectStep(f(2, 4, 3), 4),
    ],
    [
      "expected one of 'none', 'relu', 'gelu' for activation of linear but received 'gleu' of type string; did you mean 'gelu'?",
      () => linear(f(2, 5), f(4, 5), undefined, { activation: 'gleu' as 'gelu' }),
    ],
    [
      "attention has no option 'casual'; did you mean 'causal'?",
      () => attention(f(1, 4, 12), { heads: 2, casual: true } as { heads: number }),
    ],
    [
      'expected an integer of at least 1 for heads of attention but received 0 of type number',
      () => attention(f(1, 4, 12), { heads: 0 }),
    ],
    ['expected a finite number for factor of scale but received NaN of type number', () => f(2).scale(Number.NaN)],
    [
      "state 'plain' was declared as not trainable before",
      () => [graph.state('plain', [2]), graph.state('plain', [2], 'f32', { trainable: true })],
    ],
    [
      "constant 'plain2' was declared before with another content, or none",
      () => [graph.state('plain2', [1]), graph.constant('plain2', [1], [1])],
    ],
    [
      'concat: expected shape (2, 4) (leading dimensions of x0) for x1 but received shape (3, 4)',
      () => concat([f(2, 3), f(3, 4)]),
    ],
    [
      'slice: expected at least 5 columns for x but received shape (2, 4)',
      () => slice(f(2, 4), { start: 2, length: 3 }),
    ],
    [
      'embedding: expected 2 dimensions (V, D) for table but received shape (2, 3, 4)',
      () => embedding(f(2, 3, 4), i(2)),
    ],
    [
      'expected an integer between 0 and 3 for padding of embedding but received 4 of type number',
      () => embedding(f(4, 3), i(2), { padding: 4 }),
    ],
    [
      "embedding has no option 'pading'; did you mean 'padding'?",
      () => embedding(f(4, 3), i(2), { pading: 0 } as never),
    ],
    ['reshape: expected 7 elements for the new shape (7) for x but received shape (2, 3)', () => reshape(f(2, 3), [7])],
    [
      'softmax_cross_entropy: expected shape (2) (one a row of logits) for target but received shape (3)',
      () => softmaxCrossEntropy(f(2, 3), i(3)),
    ],
    ["expected positive integers as the shape of input 'zero' but received (2, 0)", () => graph.input('zero', [2, 0])],
    ["input 'f0' is already declared", () => graph.input('f0', [1])],
    ['operand 1 of add belongs to another graph', () => add(f(2), new Graph().input('x', [2]))],
    ["state 's' was declared as f32 (2), now as f32 (3)", () => [graph.state('s', [2]), graph.state('s', [3])]],
    [
      "expected the name of a state of this graph for update but received 'nothing' of type string",
      () => graph.update('nothing', f(2)),
    ],
    ["expected a tensor of one element for loss but received '(2)' of type string", () => differentiate(graph, f(2))],
  ])('%s', (message, make) => {
    expect(make).toThrow(message);
  });

  test('an operation without a gradient is named when the loss goes through it', () => {
    const g = new Graph();
    const w = g.state('w', [1, 3], 'f32', { trainable: true });
    const y = standardize(w, g.state('mean', [3]), g.state('inverse', [3]));
    expect(() => differentiate(g, reshape(slice(y, { start: 0, length: 1 }), [1]))).toThrow(
      'standardize has no gradient',
    );
  });

  test('interpret names what was not given or has another size', () => {
    const g = new Graph();
    g.output('y', g.input('x', [3]).add(g.state('s', [3])));
    expect(() => interpret(g, { inputs: { x: [1, 2, 3] } })).toThrow("state 's' was not given");
    expect(() => interpret(g, { inputs: { x: [1] }, state: { s: [1, 2, 3] } })).toThrow(
      "expected 3 values for shape (3) for input 'x'",
    );
  });
});
