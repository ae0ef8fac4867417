import { describe, expect, test } from 'vitest';
import { calibrate } from '../../src/compress/calibrate.js';
import { dequantiseRows, type QuantiseOptions, quantiseLinear, quantiseRows } from '../../src/compress/quantise.js';
import { Random } from '../../src/core/random.js';
import { compilePlan, Graph, interpret, linear } from '../../src/graph/index.js';
import { nativeAvailable, runtimeInfo, type TypedArray } from '../../src/native/index.js';
import { runNative } from '../graph/run-native.js';

function normal(n: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => random.normal());
}

describe('quantiseRows', () => {
  test('is symmetric, uses the whole range of each row, and errs by half a step at most', () => {
    const [rows, columns] = [7, 33];
    const weight = normal(rows * columns, 1);
    for (let i = 0; i < columns; i++) weight[i] *= 1000; // rows of very different sizes
    const matrix = quantiseRows(weight, rows, columns);
    const back = dequantiseRows(matrix);
    for (let row = 0; row < rows; row++) {
      const w = weight.subarray(row * columns, (row + 1) * columns);
      const q = matrix.values.subarray(row * columns, (row + 1) * columns);
      const peak = Math.max(...w.map(Math.abs));
      expect(matrix.scales[row]).toBe(Math.fround(peak / 127));
      expect(Math.max(...q.map(Math.abs))).toBe(127);
      w.forEach((value, i) => {
        expect(Math.abs(value - back[row * columns + i])).toBeLessThanOrEqual((matrix.scales[row] / 2) * (1 + 1e-5));
      });
    }
  });

  test('rounds halves to even, never gives −128, and keeps zeros', () => {
    const { values, scales } = quantiseRows(Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, -127, 0), 1, 8);
    expect([...values]).toEqual([127, 0, 2, 2, 0, -2, -127, 0]);
    expect(scales[0]).toBe(1);
  });

  test('a row of zeros has scale 0', () => {
    expect(quantiseRows(new Float32Array(6), 2, 3)).toEqual({ values: new Int8Array(6), scales: new Float32Array(2) });
  });

  test('quantising again what was quantised changes nothing', () => {
    const first = quantiseRows(normal(200, 2), 10, 20);
    expect(quantiseRows(dequantiseRows(first), 10, 20).values).toEqual(first.values);
  });

  test('refuses NaN, infinity and a wrong size', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => quantiseRows(Float32Array.of(1, 2, bad, 4), 2, 2)).toThrow(
        expect.objectContaining({ code: 'NUMERIC', details: { row: 1 } }),
      );
    }
    expect(() => quantiseRows(new Float32Array(5), 2, 3)).toThrow(/2 × 3 weights but received 5/);
  });
});

/** x (4, 40) → gelu(linear a) → linear b + x → linear c (few inputs read from a computed weight). */
function model() {
  const graph = new Graph();
  const x = graph.input('x', [4, 40]);
  const hidden = linear(x, graph.state('a.weight', [64, 40]), graph.state('a.bias', [64])).gelu();
  const mixed = x.add(linear(hidden, graph.state('b.weight', [40, 64])));
  const narrow = linear(mixed, graph.state('c.weight', [8, 40]));
  const last = linear(narrow, graph.state('d.weight', [3, 8]));
  graph.output('y', last);
  const state = new Map<string, TypedArray>(
    [...graph.states].map(([name, { tensor }], i) => [
      name,
      normal(
        tensor.shape.reduce((a, b) => a * b, 1),
        10 + i,
      ).map((v) => v / 8),
    ]),
  );
  return { graph, state };
}

const run = (graph: Graph, state: ReadonlyMap<string, TypedArray>) =>
  interpret(graph, { inputs: { x: normal(160, 99) }, state: Object.fromEntries(state) }).outputs.y.data;
const kernels = (graph: Graph) => compilePlan(graph).steps.map(({ kernel }) => kernel);

describe('quantiseLinear', () => {
  test('replaces the wide linears and leaves the rest and the original alone', () => {
    const { graph, state } = model();
    const nodes = graph.nodes.length;
    const result = quantiseLinear(graph, state);
    expect(kernels(result.graph)).toEqual(['qlinear', 'qlinear', 'qlinear', 'linear']);
    expect(kernels(graph)).toEqual(['linear', 'linear', 'linear', 'linear']);
    expect(graph.nodes.length).toBe(nodes);
    expect([...result.graph.states.keys()].sort()).toEqual([...result.state.keys()].sort());
    expect(result.state.get('a.weight.int8')).toBeInstanceOf(Int8Array);
    expect(result.state.get('a.weight.scale')).toHaveLength(64);
    expect(result.state.get('a.bias')).toBe(state.get('a.bias'));
    expect(result.state.has('a.weight')).toBe(false);
    expect(result.layers.map(({ name, rows, columns }) => [name, rows, columns])).toEqual([
      ['a.weight', 64, 40],
      ['b.weight', 40, 64],
      ['c.weight', 8, 40],
    ]);
    for (const { signalToNoiseDb, maxError } of result.layers) {
      expect(signalToNoiseDb).toBeGreaterThan(35);
      expect(maxError).toBeGreaterThan(0);
    }
  });

  test('stays close to float32', () => {
    const { graph, state } = model();
    const expected = run(graph, state);
    const result = quantiseLinear(graph, state);
    const received = run(result.graph, result.state);
    const peak = Math.max(...expected.map(Math.abs));
    const worst = Math.max(...received.map((value, i) => Math.abs(value - expected[i])));
    expect(worst).toBeLessThan(0.02 * peak);
    expect(received).not.toEqual(expected);
  });

  test('skips what it is told to, and knows each name', () => {
    const { graph, state } = model();
    expect(kernels(quantiseLinear(graph, state, { skip: ['b.weight'] }).graph)).toEqual([
      'qlinear',
      'linear',
      'qlinear',
      'linear',
    ]);
    expect(kernels(quantiseLinear(graph, state, { minimumInputs: 1 }).graph)).toEqual(Array(4).fill('qlinear'));
    expect(kernels(quantiseLinear(graph, state, { minimumInputs: 41 }).graph)).toEqual([
      'linear',
      'qlinear',
      'linear',
      'linear',
    ]);
    expect(() => quantiseLinear(graph, state, { skip: ['a.wieght'] })).toThrow(/skip names 'a.wieght'/);
    expect(() => quantiseLinear(graph, state, { skp: [] } as never)).toThrow(/did you mean 'skip'/);
  });

  test('a shared weight is quantised once; a computed one stays', () => {
    const graph = new Graph();
    const x = graph.input('x', [4, 40]);
    const w = graph.state('w', [40, 40]);
    graph.output('y', linear(linear(linear(x, w), w), w.scale(2)));
    const state = new Map<string, TypedArray>([['w', normal(1600, 5).map((v) => v / 8)]]);
    const result = quantiseLinear(graph, state);
    expect(result.layers).toHaveLength(1);
    expect(kernels(result.graph).filter((kernel) => kernel === 'qlinear')).toHaveLength(2);
    expect(kernels(result.graph).filter((kernel) => kernel === 'linear')).toHaveLength(1);
    expect([...result.state.keys()].sort()).toEqual(['w', 'w.int8', 'w.scale']);
  });

  test('names the weight that holds NaN', () => {
    const { graph, state } = model();
    (state.get('b.weight') as Float32Array)[70] = Number.NaN;
    expect(() => quantiseLinear(graph, state)).toThrow(/weight 'b.weight': row 1 of the weights holds NaN/);
  });
});

describe.runIf(nativeAvailable())('quantiseLinear with static activations', () => {
  const calibration = normal(400 * 160, 50);
  const quantise = (options: QuantiseOptions = {}) => {
    const { graph, state } = model();
    return quantiseLinear(graph, state, { activations: 'static', calibration, ...options });
  };

  test('gives every quantised layer the scale of what it reads, and levels go from product to product', () => {
    const { graph, layers } = quantise();
    const plan = compilePlan(graph);
    expect(plan.steps.map(({ kernel }) => kernel)).toEqual([
      'qlinear_static',
      'qlinear_static',
      'qlinear_static',
      'linear',
    ]);
    // a's GELU is read by b alone, b's sum by c and nothing else; c's result is read in float32.
    expect(plan.steps.map(({ outputs }) => plan.tensors[outputs[0]].dtype)).toEqual(['u8', 'u8', 'f32', 'f32']);
    expect(plan.steps.map(({ attrs }) => attrs.xScale)).toEqual([
      ...layers.map(({ activations }) => activations!.scale),
      undefined,
    ]);
    expect(plan.steps[0].attrs.yScale).toBe(layers[1].activations!.scale);
    expect(layers[1].activations!.zero).toBeLessThan(60); // GELU: little below 0
  });

  test('stays close to float32, and the plan to the interpreter', () => {
    const { graph, state } = model();
    const expected = run(graph, state);
    const result = quantise();
    const received = run(result.graph, result.state);
    const peak = Math.max(...expected.map(Math.abs));
    const worst = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));
    expect(worst(received, expected)).toBeLessThan(0.04 * peak);
    const inputs = { x: normal(160, 99) };
    for (const isa of runtimeInfo().available) {
      const { outputs } = runNative(result.graph, { inputs, state: Object.fromEntries(result.state) }, { isa });
      expect(worst(outputs.y, received), isa).toBeLessThan(0.01 * peak);
    }
  });

  test('takes scales that were found before, and says which is missing', () => {
    const { graph, state } = model();
    const scales = calibrate(graph, state, calibration);
    expect(quantise({ calibration: scales }).layers).toEqual(quantise().layers);
    expect(quantise({ calibrate: { method: 'minmax' } }).layers).not.toEqual(quantise().layers);
    const some = new Map([...scales].filter(([name]) => name !== 'b.weight'));
    expect(() => quantise({ calibration: some })).toThrow(/no scale for what the layer 'b.weight' reads/);
  });

  test('refuses what does not fit together', () => {
    expect(() => quantise({ calibration: undefined })).toThrow(/for calibration but received undefined/);
    expect(() => quantise({ activations: 'dynamic' })).toThrow(/'static' where there is a calibration/);
    expect(() => quantise({ activations: 'statik' as never })).toThrow(/did you mean 'static'/);
  });
});
