import { describe, expect, test } from 'vitest';
import {
  compilePlan,
  constants,
  differentiate,
  Graph,
  graphStatistics,
  interpret,
  readRowsOnly,
  softmaxCrossEntropy,
} from '../../src/graph/index.js';
import { PricePredictor } from '../../src/models/price-predictor.js';
import { initialise, multiScaleHeads } from '../../src/nn/index.js';

const SMALL = { features: 3, steps: 5, dModel: 8, heads: 2, layers: 2, feedForward: 12, horizons: 2 };

describe('PricePredictor', () => {
  test('has exactly 1,022,601 parameters with the defaults', () => {
    expect(new PricePredictor().parameterCount()).toBe(1_022_601);
  });

  test('costs two flops a weight and row, and a quarter less where one row is read', () => {
    const graph = new Graph();
    const logits = new PricePredictor().forward(graph.input('x', [1, 100, 6]));
    for (const [h, tensor] of logits.entries()) graph.output(`logits${h}`, tensor);
    const all = graphStatistics(graph);
    expect(all.parameters).toBe(1_022_601);
    const matrices = all.operations.find((entry) => entry.operation === 'linear')!.flops;
    const heads = 3 * 2 * (128 * 64 + 64 * 32 + 32 * 3);
    expect(matrices).toBe(2 * 100 * (6 * 128 + 3 * (4 * 128 * 128 + 2 * 128 * 1024)) + heads);
    expect(graphStatistics(readRowsOnly(graph)).flops / all.flops).toBeLessThan(0.75);
  });

  test.each([1, 6, 40, 79])('has (features − 6) · 128 more with %i features', (features) => {
    expect(new PricePredictor({ features }).parameterCount()).toBe(1_022_601 + (features - 6) * 128);
  });

  test.each([
    ['sinusoidal', 0],
    ['learned', 12_800],
    ['rotary', 0],
    ['alibi', 0],
    ['none', 0],
  ] as const)('with %s positions has %i parameters more', (positions, more) => {
    expect(new PricePredictor({ positions }).parameterCount()).toBe(1_022_601 + more);
  });

  test('tells the order of steps by every kind of positions, and not without', () => {
    const last = 4 * 3;
    for (const positions of ['sinusoidal', 'learned', 'rotary', 'alibi', 'none'] as const) {
      // One layer: its last query sees a set of keys, in which only positions tell one from another.
      const model = new PricePredictor({ ...SMALL, layers: 1, positions });
      const graph = new Graph();
      graph.output('y', model.forward(graph.input('x', [1, 5, 3]))[0]);
      const state = Object.fromEntries(initialise(model, 2));
      const x = Float64Array.from({ length: 15 }, (_, i) => Math.sin(i));
      const swapped = Float64Array.from([...x.slice(3, 6), ...x.slice(0, 3), ...x.slice(6, last), ...x.slice(last)]);
      const [a, b] = [x, swapped].map((given) => interpret(graph, { inputs: { x: given }, state }).outputs.y.data);
      const moved = Math.max(...a.map((value, i) => Math.abs(value - b[i])));
      if (positions === 'none') expect(moved).toBeLessThan(1e-12);
      else expect(moved, positions).toBeGreaterThan(1e-9);
    }
  });

  test('multi-scale attention: heads in turn see all, a quarter, a sixteenth, every fourth step', () => {
    expect(multiScaleHeads(5, 64)).toEqual({ windows: [0, 16, 4, 0, 0], strides: [1, 1, 1, 4, 1] });
    expect(new PricePredictor({ attention: 'multiScale' }).parameterCount()).toBe(1_022_601);
  });

  test('dropout of attention weights is in training graphs alone, with a stream for each layer', () => {
    const model = new PricePredictor({ ...SMALL, layers: 2, attentionDropout: 0.2 });
    expect(model.parameterCount()).toBe(new PricePredictor({ ...SMALL, layers: 2 }).parameterCount());
    const dropouts = (training: boolean) => {
      const graph = new Graph();
      const rng = training ? graph.input('rng', [4], 'u32') : undefined;
      model.forward(graph.input('x', [2, 5, 3]), { rng });
      const attentions = graph.nodes.filter(({ operation }) => operation.name === 'attention');
      expect(attentions.map(({ inputs }) => inputs[1])).toEqual([rng, rng]);
      return attentions.map(({ attrs }) => [attrs.dropout, attrs.stream]);
    };
    expect(dropouts(false)).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
    const [[first, a], [second, b]] = dropouts(true);
    expect([first, second]).toEqual([0.2, 0.2]);
    expect(a).not.toBe(b);
  });

  test('refuses what does not fit', () => {
    expect(() => new PricePredictor({ attentionDropout: 1 })).toThrow('attentionDropout');
    expect(() => new PricePredictor({ positions: 'rotery' as 'rotary' })).toThrow("did you mean 'rotary'");
    expect(() => new PricePredictor({ dModel: 12, heads: 4, positions: 'rotary' })).toThrow('for rotary positions');
  });

  test('declares in its graph just the parameters that it lists', () => {
    const model = new PricePredictor(SMALL);
    const graph = new Graph();
    model.forward(graph.input('x', [2, 5, 3]));
    const trainable = [...graph.states].filter(([, s]) => s.trainable);
    const listed = model.parameters().map(({ name, shape }) => [name, shape]);
    expect(new Map(trainable.map(([name, { tensor }]) => [name, tensor.shape]))).toEqual(
      new Map(listed as [string, number[]][]),
    );
    expect([...constants(graph).keys()]).toEqual(['positions.5x8']);
  });

  test('reads only the last row in the last layer, with equal results', () => {
    const model = new PricePredictor(SMALL);
    const graph = new Graph();
    const x = graph.input('x', [2, 5, 3]);
    for (const [h, logits] of model.forward(x).entries()) graph.output(`logits${h}`, logits);
    const rows = readRowsOnly(graph);
    const given = {
      inputs: { x: Float32Array.from({ length: 30 }, (_, i) => Math.sin(i)) },
      state: Object.fromEntries(initialise(model, 1)),
    };
    const full = interpret(graph, given).outputs;
    const last = interpret(rows, given).outputs;
    for (const name of ['logits0', 'logits1']) {
      expect(last[name].data.every((v, i) => Math.abs(v - full[name].data[i]) < 1e-12)).toBe(true);
    }
    expect(rows.nodes.filter((n) => n.attrs.queries === 'last')).toHaveLength(1);
  });

  test('trains and compiles: a gradient for every parameter', () => {
    const model = new PricePredictor(SMALL);
    const graph = new Graph();
    const rng = graph.input('rng', [4], 'u32');
    const logits = model.forward(graph.input('x', [2, 5, 3]), { rng });
    const losses = logits.map(
      (l, h) => softmaxCrossEntropy(l, graph.input(`y${h}`, [2], 'i32'), { smoothing: 0.1 }).loss,
    );
    const loss = losses.reduce((a, b) => a.add(b));
    graph.output('loss', loss);
    const gradients = differentiate(graph, loss);
    expect([...gradients.keys()].sort()).toEqual(
      model
        .parameters()
        .map((p) => p.name)
        .sort(),
    );
    for (const [name, gradient] of gradients) {
      graph.state(`grad/${name}`, gradient.shape);
      graph.update(`grad/${name}`, gradient);
    }
    const plan = compilePlan(graph);
    expect(JSON.stringify(compilePlan(graph))).toBe(JSON.stringify(plan));
    expect(plan.steps.filter((s) => s.kernel === 'scale')).toHaveLength(0);
    expect(plan.arenaBytes).toBeLessThan(compilePlan(graph, { reuse: false }).arenaBytes / 2);
  });
});
