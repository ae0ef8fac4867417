import { describe, expect, test } from 'vitest';
import { calibrate, scaleOfRange } from '../../src/compress/calibrate.js';
import { Random } from '../../src/core/random.js';
import { Graph, interpret, levelOf, linear } from '../../src/graph/index.js';
import { nativeAvailable, type TypedArray } from '../../src/native/index.js';

describe('the scale of a range', () => {
  test.each([
    [-1, 1, { scale: Math.fround(1 / 127), zero: 128 }],
    [-0.85, 1, { scale: Math.fround(1 / 127), zero: 128 }],
    [-0.17, 4.08, { scale: Math.fround(4.25 / 255), zero: 10 }],
    [0, 2.55, { scale: Math.fround(0.01), zero: 0 }],
    [-2.55, 0, { scale: Math.fround(0.01), zero: 255 }],
    [0.5, 2.55, { scale: Math.fround(0.01), zero: 0 }],
    [0, 0, { scale: 1, zero: 0 }],
    [0, 1e-38, { scale: 2 ** -100, zero: 0 }],
  ])('of %d to %d', (low, high, expected) => {
    expect(scaleOfRange(low, high)).toEqual(expected);
  });

  test('holds the ends, and 0 exactly', () => {
    const random = new Random(5);
    for (let i = 0; i < 1000; i++) {
      const [low, high] = [-Math.exp(4 * random.normal()), Math.exp(4 * random.normal())];
      const levels = scaleOfRange(low, high);
      for (const x of [low, 0, high]) {
        const back = (levelOf(x, levels) - levels.zero) * levels.scale;
        expect(Math.abs(back - x), `${x} of ${low} to ${high}`).toBeLessThanOrEqual(x === 0 ? 0 : levels.scale * 1.001);
      }
    }
  });
});

/** x (2, 40) → relu(linear a) → linear b; c reads x too. */
function model() {
  const graph = new Graph();
  const x = graph.input('x', [2, 40]);
  const hidden = linear(x, graph.state('a', [64, 40])).relu();
  graph.output('hidden', hidden);
  graph.output('y', linear(hidden, graph.state('b', [8, 64])).add(linear(x, graph.state('c', [8, 40]))));
  const random = new Random(1);
  const state = new Map<string, TypedArray>(
    [...graph.states].map(([name, { tensor }]) => {
      return [name, Float32Array.from({ length: tensor.shape[0] * tensor.shape[1] }, () => random.normal() / 8)];
    }),
  );
  return { graph, state };
}

const normals = (n: number, seed: number) => {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => random.normal());
};

describe.runIf(nativeAvailable())('calibrate', () => {
  const { graph, state } = model();
  const windows = normals(10 * 80, 2);
  /** All values of the hidden layer, by the interpreter. */
  const hidden = Array.from({ length: 10 }, (_, i) => {
    const inputs = { x: windows.subarray(80 * i, 80 * i + 80) };
    return [...interpret(graph, { inputs, state: Object.fromEntries(state) }).outputs.hidden.data];
  }).flat();

  test('minmax covers what each layer reads', () => {
    const scales = calibrate(graph, state, windows, { method: 'minmax' });
    expect([...scales.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect(scales.get('a')).toEqual(scaleOfRange(Math.min(...windows), Math.max(...windows)));
    expect(scales.get('c')).toEqual(scales.get('a'));
    expect(scales.get('b')!.zero).toBe(0);
    expect(scales.get('b')!.scale / (Math.max(...hidden) / 255)).toBeCloseTo(1, 5);
  });

  test('does not look at the order of the windows, and leaves the graph alone', () => {
    const outputs = [...graph.outputs.keys()];
    const turned = new Float32Array(windows.length);
    for (let i = 0; i < 10; i++) turned.set(windows.subarray(80 * i, 80 * i + 80), 80 * (9 - i));
    for (const method of ['minmax', 'percentile', 'mse'] as const) {
      expect(calibrate(graph, state, turned, { method })).toEqual(calibrate(graph, state, windows, { method }));
    }
    expect([...graph.outputs.keys()]).toEqual(outputs);
  });

  test('percentile leaves the outermost values out, mse errs least', () => {
    const spiked = windows.slice();
    spiked[100] = 500;
    const error = (levels: { scale: number; zero: number }) =>
      spiked.reduce((sum, x) => sum + (x - (levelOf(x, levels) - levels.zero) * levels.scale) ** 2, 0);
    const scale = (method: 'minmax' | 'percentile' | 'mse', percentile?: number) =>
      calibrate(graph, state, spiked, { method, ...(percentile && { percentile }) }).get('a')!;
    expect(scale('minmax').scale).toBeGreaterThan(500 / 256);
    // One in 800 values is the spike; a bin of the histogram is 0.12 wide.
    expect(scale('percentile', 99.5).scale).toBeLessThan(4 / 127);
    expect(scale('percentile', 100).scale).toBeCloseTo(scale('minmax').scale, 2);
    const least = error(scale('mse'));
    for (const other of [scale('minmax'), scale('percentile', 99.5)]) expect(least).toBeLessThan(1.001 * error(other)); // found in a histogram
    // Of many values clipping the outermost beats rounding all coarsely.
    const many = normals(500 * 80, 3);
    const [whole, some] = (['minmax', 'mse'] as const).map((method) => calibrate(graph, state, many, { method }));
    expect(some.get('a')!.scale).toBeLessThan(0.95 * whole.get('a')!.scale);
  });

  test('names what is wrong', () => {
    expect(() => calibrate(graph, state, windows.subarray(0, 79))).toThrow(/one or more times the 80 values of x/);
    expect(() => calibrate(graph, state, new Float32Array(0))).toThrow(/calibration windows/);
    expect(() => calibrate(graph, state, windows, { method: 'max' as never })).toThrow(/'minmax', 'percentile', 'mse'/);
    expect(() => calibrate(graph, state, windows, { percentile: 101 })).toThrow(/percentile/);
    expect(() => calibrate(graph, state, windows, { methd: 'mse' } as never)).toThrow(/did you mean 'method'/);
    const bad = windows.slice();
    bad[7] = Number.NaN;
    expect(() => calibrate(graph, state, bad)).toThrow(/the layer '[abc]' reads NaN/);
  });
});
