import { describe, expect, test } from 'vitest';
import { OnnxModelBuilder } from '../../src/export/onnx/model-builder.js';
import { decodeModel, encodeModel } from '../../src/export/onnx/schema.js';

const info = { name: 'small', docString: 'a small model', producerVersion: '1.2.3', metadata: { seed: '7' } };

function small(): Uint8Array {
  const builder = new OnnxModelBuilder();
  const x = builder.input('features', 'f32', ['batch', 2], 'raw');
  builder.scope = 'norm';
  const [y] = builder.emit('LayerNormalization', [x, builder.constant('gamma', 'f32', [2], [1, 2]), ''], {
    axis: -1,
    epsilon: 1e-5,
  });
  builder.scope = '';
  const [z] = builder.emit('Transpose', [y], { perm: [1, 0] });
  builder.output('logits', z, 'f32', [2, 'batch'], 'raw too');
  return builder.finish(info);
}

describe('OnnxModelBuilder', () => {
  test('writes what it was told, and it reads back', () => {
    const model = decodeModel(small());
    expect(model).toMatchObject({
      irVersion: 8,
      producerName: 'flashbook',
      producerVersion: '1.2.3',
      docString: 'a small model',
      opsetImport: [{ domain: '', version: 17 }],
      metadataProps: [{ key: 'seed', value: '7' }],
    });
    const { node, initializer, input, output, name } = model.graph;
    expect(name).toBe('small');
    expect(node.map(({ opType }) => opType)).toEqual(['LayerNormalization', 'Transpose']);
    expect(node[0]).toMatchObject({ input: ['features', 'gamma', ''], docString: 'norm' });
    expect(node[0].attribute[0]).toMatchObject({ name: 'axis', type: 2, i: -1 });
    expect(node[0].attribute[1]).toMatchObject({ name: 'epsilon', type: 1, f: Math.fround(1e-5) });
    expect(node[1].attribute[0]).toMatchObject({ name: 'perm', type: 7, ints: [1, 0] });
    expect(node[1].output).toEqual(['logits']);
    expect(initializer).toHaveLength(1);
    expect(initializer[0]).toMatchObject({ name: 'gamma', dataType: 1, dims: [2] });
    expect(new Float32Array(Uint8Array.from(initializer[0].rawData).buffer)).toEqual(Float32Array.of(1, 2));
    expect(input[0]).toMatchObject({
      name: 'features',
      docString: 'raw',
      type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: 'batch' }, { dimValue: 2 }] } } },
    });
    expect(output[0].name).toBe('logits');
  });

  test('a known model has these bytes', () => {
    // y = x, by hand after onnx.proto3: field numbers and wire types; empty strings are not written.
    const bytes = encodeModel({
      irVersion: 8,
      producerName: 'f',
      producerVersion: '',
      docString: '',
      opsetImport: [{ domain: '', version: 17 }],
      metadataProps: [],
      graph: {
        name: 'g',
        docString: '',
        node: [{ opType: 'Identity', name: 'n', input: ['x'], output: ['y'], attribute: [] }],
        initializer: [],
        input: [],
        output: [],
      },
    });
    const node = [0x0a, 1, 0x78, 0x12, 1, 0x79, 0x1a, 1, 0x6e, 0x22, 8, ...Buffer.from('Identity')];
    const graph = [0x0a, node.length, ...node, 0x12, 1, 0x67];
    const expected = [0x08, 8, 0x12, 1, 0x66, 0x3a, graph.length, ...graph, 0x42, 2, 0x10, 17];
    expect([...bytes]).toEqual(expected);
  });

  test('equal constants share one initializer, others of the same hint get names of their own', () => {
    const builder = new OnnxModelBuilder();
    const one = builder.constant('one', 'f32', [], [1]);
    expect(builder.constant('unit', 'f32', [], [1])).toBe(one);
    const names = [
      builder.constant('one', 'f32', [], [2]),
      builder.constant('one', 'f32', [1], [1]),
      builder.constant('one', 'i64', [], [1]),
    ];
    expect(new Set([one, ...names]).size).toBe(4);
    const mask = new Float32Array(1000).fill(-Infinity);
    expect(builder.constant('mask', 'f32', [1000], mask)).toBe(builder.constant('again', 'f32', [1000], mask.slice()));
  });

  test('an input that is an output, and one value as two outputs', () => {
    const builder = new OnnxModelBuilder();
    const x = builder.input('x', 'f32', ['batch']);
    builder.output('same', x, 'f32', ['batch']);
    const [y] = builder.emit('Neg', [x]);
    builder.output('first', y, 'f32', ['batch']);
    builder.output('second', 'first', 'f32', ['batch']);
    const { node, output } = decodeModel(builder.finish(info)).graph;
    expect(output.map(({ name }) => name)).toEqual(['same', 'first', 'second']);
    expect(node.map(({ opType, input, output }) => [opType, input[0], output[0]])).toEqual([
      ['Identity', 'x', 'same'],
      ['Neg', 'x', 'first'],
      ['Identity', 'first', 'second'],
    ]);
  });

  test('refuses what would make a broken file', () => {
    const builder = new OnnxModelBuilder();
    const x = builder.input('x', 'f32', ['batch']);
    expect(() => builder.emit('Relu', ['nowhere'])).toThrow(/reads 'nowhere', which nothing before it makes/);
    expect(() => builder.constant('w', 'f32', [2, 2], [1, 2, 3])).toThrow(/needs 4 elements but has 3/);
    expect(() => builder.input('x', 'f32', [1])).toThrow(/'x' is empty or used twice/);
    expect(() => builder.emit('Softmax', [x], { axis: 0.5 })).toThrow(/'axis' is an int but has the value 0.5/);
  });
});
