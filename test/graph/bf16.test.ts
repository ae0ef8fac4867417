import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import {
  differentiate,
  fuseLinear,
  Graph,
  gelu,
  interpret,
  linear,
  matmul,
  printGraph,
  reshape,
  roundBf16,
} from '../../src/graph/index.js';

describe('roundBf16', () => {
  test.each([
    [1, 1],
    [1 + 2 ** -8, 1], // a tie goes to the even fraction
    [1 + 3 * 2 ** -8, 1 + 2 ** -6],
    [1 + 2 ** -8 + 2 ** -20, 1 + 2 ** -7],
    [-1 - 2 ** -8 - 2 ** -20, -1 - 2 ** -7],
    [0, 0],
    [-0, -0],
    [2 ** -133, 2 ** -133], // the smallest subnormal
    [2 ** -134, 0],
    [3.3895313892515355e38, 3.3895313892515355e38], // the largest
    [3.4028234663852886e38, Number.POSITIVE_INFINITY],
    [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    [Number.NaN, Number.NaN],
  ])('%d → %d', (x, expected) => {
    expect(roundBf16(x)).toBe(expected);
  });

  test('is within half a unit of the eighth digit, and a second rounding changes nothing', () => {
    const random = new Random(1);
    for (let i = 0; i < 1000; i++) {
      const x = Math.fround(random.normal() * 2 ** random.below(40));
      const rounded = roundBf16(x);
      expect(Math.abs(rounded - x)).toBeLessThanOrEqual(Math.abs(x) * 2 ** -8);
      expect(roundBf16(rounded)).toBe(rounded);
    }
  });
});

describe('precision bf16', () => {
  const random = new Random(2);
  const values = (count: number): Float64Array =>
    Float64Array.from({ length: count }, () => Math.fround(random.normal()));
  const [m, n, k] = [3, 4, 5];
  const state = { x: values(m * k), w: values(n * k), bias: values(n) };
  const weights = values(m * n);

  /** Loss Σ z∘weights with z = x·wᵀ + bias, and its gradients. */
  function gradients(precision: 'f32' | 'bf16', given: Record<string, Float64Array>) {
    const graph = new Graph();
    const [x, w, bias] = [
      graph.state('x', [m, k], 'f32', { trainable: true }),
      graph.state('w', [n, k], 'f32', { trainable: true }),
      graph.state('bias', [n], 'f32', { trainable: true }),
    ];
    const z = linear(x, w, bias, { precision });
    const loss = matmul(reshape(z, [1, m * n]), graph.constant('weights', [m * n, 1], weights));
    const wanted = differentiate(graph, loss);
    graph.output('loss', loss);
    for (const [name, tensor] of wanted) graph.output(name, tensor);
    return { graph, outputs: interpret(graph, { state: given }).outputs };
  }

  test('multiplies rounded operands and keeps the precision in the gradient', () => {
    const { graph, outputs } = gradients('bf16', state);
    const kinds = graph.nodes.filter(({ operation }) => ['linear', 'matmul'].includes(operation.name));
    // z, dx and dw; the loss and its own gradient stay in float32.
    expect(kinds.filter(({ attrs }) => attrs.precision === 'bf16')).toHaveLength(3);
    const x = state.x.map(roundBf16);
    const w = state.w.map(roundBf16);
    const dz = weights.map(roundBf16);
    for (let i = 0; i < m; i++) {
      for (let l = 0; l < k; l++) {
        let dx = 0;
        for (let j = 0; j < n; j++) dx += dz[i * n + j] * w[j * k + l];
        expect(outputs.x.data[i * k + l]).toBeCloseTo(dx, 12);
      }
    }
    for (let j = 0; j < n; j++) {
      let dbias = 0;
      for (let i = 0; i < m; i++) dbias += weights[i * n + j];
      expect(outputs.bias.data[j]).toBeCloseTo(dbias, 12); // no product: no rounding
      for (let l = 0; l < k; l++) {
        let dw = 0;
        for (let i = 0; i < m; i++) dw += dz[i * n + j] * x[i * k + l];
        expect(outputs.w.data[j * k + l]).toBeCloseTo(dw, 12);
      }
    }
  });

  test('differs from float32 by bf16 rounding and no more', () => {
    const exact = gradients('f32', state).outputs;
    const rounded = gradients('bf16', state).outputs;
    for (const name of ['x', 'w']) {
      const difference = Math.max(...exact[name].data.map((value, i) => Math.abs(value - rounded[name].data[i])));
      expect(difference).toBeGreaterThan(0);
      expect(difference).toBeLessThan(2 ** -7 * Math.max(...exact[name].data.map(Math.abs)) * 4);
    }
  });

  test('survives the fusing pass; float32 leaves no attribute', () => {
    const graph = new Graph();
    const [x, w] = [graph.input('x', [m, k]), graph.input('w', [n, k])];
    graph.output('y', gelu(linear(x, w, undefined, { precision: 'bf16' })));
    graph.output('z', linear(x, w, undefined, { precision: 'f32' }));
    const text = printGraph(fuseLinear(graph));
    expect(text).toMatch(/linear\(.*activation: gelu, precision: bf16/);
    expect(text).toMatch(/linear\(.*\{activation: none\}/);
  });

  test('a misspelt precision names the right ones', () => {
    const graph = new Graph();
    const [x, w] = [graph.input('x', [m, k]), graph.input('w', [n, k])];
    // @ts-expect-error not a precision
    expect(() => linear(x, w, undefined, { precision: 'bf61' })).toThrow(/precision of linear.*did you mean 'bf16'/);
    // @ts-expect-error not a precision
    expect(() => matmul(x, w, { transB: true, precision: 'half' })).toThrow(
      /one of 'f32', 'bf16' for precision of matmul/,
    );
  });
});
