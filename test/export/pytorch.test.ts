/** Weights, inputs and outputs that PyTorch made (pytorch/make.py) against the modules here. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pytorchWeights } from '../../src/export/pytorch.js';
import { readSafetensors } from '../../src/export/safetensors.js';
import { Graph, interpret, type Tensor } from '../../src/graph/index.js';
import { nativeAvailable } from '../../src/native/index.js';
import { BatchNorm, Conv1d, Conv2d, EncoderLayer, LayerNorm, Lstm, Module } from '../../src/nn/index.js';
import { runNative } from '../graph/run-native.js';

const read = (name: string) => readFileSync(join(import.meta.dirname, 'pytorch', `${name}.safetensors`));
const withoutTest = (name: string) => (name.startsWith('test.') ? undefined : name);

class Encoder extends Module {
  readonly layers = this.children(
    'layers',
    [0, 1].map(() => new EncoderLayer({ width: 8, heads: 2, feedForward: 12, dropout: 0, causal: true })),
  );
  readonly norm = this.child('norm', new LayerNorm(8));
  forward(x: Tensor): Tensor {
    return this.norm.forward(this.layers.reduce((y, layer) => layer.forward(y), x));
  }
}

class ConvolutionAndNorm extends Module {
  readonly convolution = this.child('0', new Conv2d(2, 3, [3, 2], { stride: [2, 1], padding: [1, 1, 0, 0] }));
  readonly norm = this.child('1', new BatchNorm(3));
  forward(x: Tensor): Tensor {
    return this.norm.forward(this.convolution.forward(x));
  }
}

/** (B, C, …) → (B, …, C), as numbers. */
function channelsLast(data: ArrayLike<number>, [batch, channels, ...rest]: readonly number[]): Float64Array {
  const places = rest.reduce((a, b) => a * b, 1);
  return Float64Array.from({ length: batch * channels * places }, (_, i) => {
    const place = Math.floor(i / channels) % places;
    return data[(Math.floor(i / (channels * places)) * channels + (i % channels)) * places + place];
  });
}

const CASES: [string, Module & { forward(x: Tensor): Tensor }, boolean][] = [
  ['transformer-encoder', new Encoder(), false],
  ['lstm', new Lstm(3, 5, { layers: 2 }), false],
  ['conv1d', new Conv1d(3, 4, 3, { dilation: 2, stride: 2, padding: 2 }), true],
  ['conv2d-batch-norm', new ConvolutionAndNorm(), true],
];

describe.each(CASES)('%s', (name, model, images) => {
  const file = read(name);
  const { tensors } = readSafetensors(file);
  const [input, output] = ['test.input', 'test.output'].map((key) => tensors.get(key)!);
  const numbers = ({ data, shape }: typeof input) =>
    images ? channelsLast(data as Float32Array, shape) : Float64Array.from(data as Float32Array);
  const shape = images ? [input.shape[0], ...input.shape.slice(2), input.shape[1]] : input.shape;

  test('gives the outputs of PyTorch to 1e-5', () => {
    const graph = new Graph();
    graph.output('y', model.forward(graph.input('x', shape)));
    const state = Object.fromEntries(pytorchWeights(model, file, { rename: withoutTest }));
    const given = { inputs: { x: numbers(input) }, state };
    const expected = numbers(output);
    const results = [interpret(graph, given).outputs.y.data as ArrayLike<number>];
    if (nativeAvailable()) results.push(runNative(graph, given).outputs.y);
    for (const y of results) {
      expect(y).toHaveLength(expected.length);
      expect(Math.max(...expected.map((value, i) => Math.abs(value - y[i])))).toBeLessThan(1e-5);
    }
  });
});

test('says what is missing, left over, or of another shape', () => {
  const file = read('lstm');
  const lstm = new Lstm(3, 5, { layers: 2 });
  expect(() => pytorchWeights(lstm, file)).toThrow("hold 'test.input'");
  expect(() => pytorchWeights(new Lstm(3, 5, { layers: 3 }), file, { rename: withoutTest })).toThrow(
    "no tensor for the parameter 'layers.2.inputWeight'",
  );
  expect(() => pytorchWeights(new Lstm(4, 5, { layers: 2 }), file, { rename: withoutTest })).toThrow(
    "expected shape (20, 4) for 'layers.0.inputWeight' but the PyTorch weights have (20, 3)",
  );
});
