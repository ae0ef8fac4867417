import { describe, expect, test } from 'vitest';
import { differentiate, Graph, interpret, rotary, sumRows } from '../../src/graph/index.js';
import {
  addPositions,
  ClassifierHead,
  Dropout,
  Embedding,
  EncoderLayer,
  initialise,
  LayerNorm,
  LearnedPositions,
  Linear,
  Module,
  SelfAttention,
  sinusoidalPositions,
} from '../../src/nn/index.js';

const LAYER = { width: 8, heads: 2, feedForward: 16, dropout: 0.1, causal: true };

class Stack extends Module {
  readonly layers = this.children('encoder', [new EncoderLayer(LAYER), new EncoderLayer(LAYER)]);
}

describe('Module', () => {
  test('names parameters by their place', () => {
    const names = new Stack().parameters().map((parameter) => parameter.name);
    expect(names.slice(0, 6)).toEqual([
      'encoder.0.norm1.weight',
      'encoder.0.norm1.bias',
      'encoder.0.attention.qkv.weight',
      'encoder.0.attention.qkv.bias',
      'encoder.0.attention.projection.weight',
      'encoder.0.attention.projection.bias',
    ]);
    expect(new Set(names).size).toBe(24);
  });

  test('refuses two parts of one name, and a part of two models', () => {
    const shared = new Linear(2, 2);
    class Twice extends Module {
      readonly a = this.child('a', shared);
      readonly b = this.child('b', shared);
    }
    class SameName extends Module {
      readonly a = this.child('a', new Linear(2, 2));
      readonly b = this.child('a', new Linear(2, 2));
    }
    expect(() => new Twice()).toThrow("module 'b' is already a part of 'a'");
    expect(() => new SameName()).toThrow("already has a part 'a'");
  });

  test('decays weights, but neither biases nor norms', () => {
    for (const { name, decay } of new EncoderLayer(LAYER).parameters()) {
      expect(decay, name).toBe(name.endsWith('weight') && !name.startsWith('norm'));
    }
  });
});

describe('initialise', () => {
  test('repeats from the seed and differs between seeds and parameters', () => {
    const a = initialise(new Stack(), 5);
    expect(initialise(new Stack(), 5)).toEqual(a);
    const other = initialise(new Stack(), 6);
    const name = 'encoder.0.attention.qkv.weight';
    expect(other.get(name)).not.toEqual(a.get(name));
    expect(a.get('encoder.1.attention.qkv.weight')).not.toEqual(a.get(name));
  });

  test('a module gives the same values whatever else the model holds', () => {
    class Alone extends Module {
      readonly layers = this.children('encoder', [new EncoderLayer(LAYER)]);
    }
    const name = 'encoder.0.feedForward.expand.weight';
    expect(initialise(new Alone(), 5).get(name)).toEqual(initialise(new Stack(), 5).get(name));
  });

  test('starts as PyTorch does: bounds, and variance of a uniform distribution within 5 %', () => {
    const values = initialise(new EncoderLayer({ ...LAYER, width: 64, feedForward: 256 }), 1);
    const check = (name: string, bound: number) => {
      const array = values.get(name)!;
      expect(Math.max(...array.map(Math.abs)), name).toBeLessThanOrEqual(Math.fround(bound));
      const variance = array.reduce((sum, x) => sum + x * x, 0) / array.length;
      expect(variance / (bound ** 2 / 3), name).toBeCloseTo(1, 1);
    };
    check('attention.qkv.weight', Math.sqrt(6 / (64 + 192)));
    check('attention.projection.weight', 1 / 8);
    check('feedForward.expand.weight', 1 / 8);
    check('feedForward.contract.weight', 1 / 16);
    expect(values.get('attention.qkv.bias')!.every((x) => x === 0)).toBe(true);
    expect(values.get('norm1.weight')!.every((x) => x === 1)).toBe(true);
    expect(() => initialise(new Linear(1, 1), -1)).toThrow('expected a non-negative safe integer for seed');
  });
});

describe('modules', () => {
  test('positions: sine and cosine of t / 10000^(2i/width)', () => {
    const positions = sinusoidalPositions(3, 4);
    expect([...positions.slice(0, 4)]).toEqual([0, 1, 0, 1]);
    expect(positions[4]).toBe(Math.fround(Math.sin(1)));
    expect(positions[5]).toBe(Math.fround(Math.cos(1)));
    expect(positions[2 * 4 + 2]).toBe(Math.fround(Math.sin(2 / 100)));
    const graph = new Graph();
    graph.output('y', addPositions(graph.input('x', [2, 3, 4])));
    const { y } = interpret(graph, { inputs: { x: new Array(24).fill(1) } }).outputs;
    expect(y.data[12 + 4]).toBe(1 + positions[4]);
  });

  test('dropout is there in training alone', () => {
    const graph = new Graph();
    const x = graph.input('x', [4]);
    const rng = graph.input('rng', [4], 'u32');
    expect(new Dropout(0.5).forward(x)).toBe(x);
    expect(new Dropout(0).forward(x, { rng })).toBe(x);
    expect(new Dropout(0.5).forward(x, { rng }).node.operation.name).toBe('dropout');
    expect(() => new Dropout(1)).toThrow('for dropout');
  });

  test('every dropout of a graph has its own stream', () => {
    const graph = new Graph();
    const rng = graph.input('rng', [4], 'u32');
    new EncoderLayer(LAYER).forward(graph.input('x', [1, 3, 8]), { rng });
    const streams = graph.nodes.filter((node) => node.operation.name === 'dropout').map((node) => node.attrs.stream);
    expect(streams).toEqual([0, 1, 2]);
  });

  test('causal attention does not see the future', () => {
    const model = new EncoderLayer(LAYER);
    const graph = new Graph();
    graph.output('y', model.forward(graph.input('x', [1, 5, 8])));
    const state = Object.fromEntries(initialise(model, 3));
    const x = Float64Array.from({ length: 40 }, (_, i) => Math.cos(i));
    const changed = x.map((value, i) => (i >= 24 ? -value + 0.3 : value));
    const before = interpret(graph, { inputs: { x }, state }).outputs.y.data;
    const after = interpret(graph, { inputs: { x: changed }, state }).outputs.y.data;
    expect(after.slice(0, 24)).toEqual(before.slice(0, 24));
    expect(after.slice(24)).not.toEqual(before.slice(24));
  });

  test.each(['half', 'interleaved'] as const)('rotary (%s): a score depends on the distance alone', (layout) => {
    const graph = new Graph();
    graph.output('y', rotary(graph.input('x', [1, 5, 12]), { heads: 1, layout, base: 100 }));
    // The same query, key and value at all five steps.
    const x = Float64Array.from({ length: 60 }, (_, i) => Math.cos(i % 12));
    const y = interpret(graph, { inputs: { x } }).outputs.y.data;
    const score = (t: number, s: number) => {
      let sum = 0;
      for (let i = 0; i < 4; i++) sum += y[t * 12 + i] * y[s * 12 + 4 + i];
      return sum;
    };
    for (const [t, s] of [
      [1, 0],
      [2, 1],
      [4, 3],
    ])
      expect(score(t, s)).toBeCloseTo(score(3, 2), 6);
    expect(score(3, 0)).toBeCloseTo(score(4, 1), 6);
    expect(score(3, 0)).not.toBeCloseTo(score(1, 0), 2);
    expect(y.slice(0, 12)).toEqual(x.slice(0, 12));
    expect(y.slice(56)).toEqual(x.slice(56));
  });

  test('learned positions add one vector a step', () => {
    const model = new LearnedPositions(3, 4);
    const graph = new Graph();
    graph.output('y', model.forward(graph.input('x', [2, 3, 4])));
    const weight = initialise(model, 1).get('weight')!;
    const { y } = interpret(graph, { inputs: { x: new Array(24).fill(1) }, state: { weight } }).outputs;
    expect([...y.data]).toEqual([...weight, ...weight].map((w) => 1 + w));
    expect(Math.hypot(...weight) / Math.sqrt(12)).toBeGreaterThan(0.008);
    expect(Math.hypot(...weight) / Math.sqrt(12)).toBeLessThan(0.04);
  });

  test('an embedding starts standard normal, with zeros for padding, whose row takes no gradient', () => {
    const model = new Embedding(50, 40, { padding: 3 });
    const weight = initialise(model, 1).get('weight')!;
    expect(weight.subarray(120, 160).every((w) => w === 0)).toBe(true);
    const plain = initialise(new Embedding(50, 40), 1).get('weight')!;
    expect(plain.filter((w, i) => w !== weight[i])).toHaveLength(40);
    expect(Math.hypot(...plain) / Math.sqrt(2000)).toBeGreaterThan(0.95);
    expect(Math.hypot(...plain) / Math.sqrt(2000)).toBeLessThan(1.05);

    const graph = new Graph();
    const y = model.forward(graph.input('indices', [2, 2], 'i32'));
    graph.output('y', y);
    const gradient = differentiate(graph, sumRows(y.reshape([160, 1]))).get('weight')!;
    graph.output('gradient', gradient);
    const { outputs } = interpret(graph, { inputs: { indices: [49, 3, 0, 49] }, state: { weight } });
    const row = (i: number) => [...weight.subarray(i * 40, (i + 1) * 40)];
    expect(outputs.y.shape).toEqual([2, 2, 40]);
    expect([...outputs.y.data]).toEqual([...row(49), ...row(3), ...row(0), ...row(49)]);
    const sums = Array.from({ length: 50 }, (_, i) => (i === 49 ? 2 : i === 0 ? 1 : 0));
    expect([...outputs.gradient.data]).toEqual(sums.flatMap((sum) => new Array(40).fill(sum)));
  });

  test('sizes are checked', () => {
    expect(() => new Embedding(0, 4)).toThrow('count of Embedding');
    expect(() => new Embedding(5, 4, { padding: 5 })).toThrow('padding of Embedding');
    expect(() => new Embedding(5, 4, { paddingIdx: 1 } as never)).toThrow("did you mean 'padding'?");
    expect(() => new SelfAttention({ width: 10, heads: 4, causal: true })).toThrow('a multiple of heads = 4');
    expect(() => new SelfAttention({ width: 12, heads: 4, causal: true, rotary: {} })).toThrow(
      'a multiple of 2 · heads = 8',
    );
    const graph = new Graph();
    expect(() => new LayerNorm(4).forward(graph.input('x', [2, 3]))).toThrow('layer_norm');
  });

  test('a head of hidden sizes 64 and 32 over 128 has 10,627 parameters', () => {
    expect(new ClassifierHead(128, [64, 32], 3, 0.1).parameterCount()).toBe(10_627);
  });
});
