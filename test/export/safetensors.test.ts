import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readSafetensors, type SafetensorsArray, writeSafetensors } from '../../src/export/safetensors.js';

/** A file from a header given as text, and data bytes. */
function file(header: string, data: Uint8Array = new Uint8Array(0), declared = header.length): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(declared), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const entry = (dtype: string, shape: number[], begin: number, end: number) =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

describe('round trip', () => {
  test('every dtype, scalars, empty tensors and odd names come back', () => {
    const tensors = new Map<string, { shape: number[]; data: SafetensorsArray; dtype?: 'BF16' | 'F16' | 'BOOL' }>([
      ['weight', { shape: [2, 3], data: new Float32Array([1, -0, Number.NaN, Infinity, 1e-45, 3.5]) }],
      ['quantised', { shape: [5], data: new Int8Array([-128, -1, 0, 1, 127]) }],
      ['7', { shape: [], data: new Int32Array([-5]) }],
      ['empty', { shape: [0, 4], data: new Float64Array(0) }],
      ['long', { shape: [1], data: new BigInt64Array([-(2n ** 62n)]) }],
      ['ulong', { shape: [1], data: new BigUint64Array([2n ** 63n]) }],
      ['half "quoted" é', { shape: [2], data: new Uint16Array([1, 2]), dtype: 'F16' }],
      ['bf16', { shape: [1], data: new Uint16Array([0x3f80]), dtype: 'BF16' }],
      ['flag', { shape: [3], data: new Uint8Array([1, 0, 1]), dtype: 'BOOL' }],
      ['u32', { shape: [1, 1], data: new Uint32Array([4294967295]) }],
      ['i16', { shape: [1], data: new Int16Array([-7]) }],
    ]);
    const read = readSafetensors(writeSafetensors(tensors, { made: 'here' }));
    expect(read.metadata).toEqual({ made: 'here' });
    expect(read.tensors.size).toBe(tensors.size);
    for (const [name, { shape, data, dtype }] of tensors) {
      const tensor = read.tensors.get(name)!;
      expect(tensor.shape).toEqual(shape);
      expect(tensor.data).toEqual(data);
      if (dtype) expect(tensor.dtype).toBe(dtype);
    }
  });

  test('the bytes do not depend on the order of the tensors, and the data is aligned', () => {
    const a: [string, { shape: number[]; data: SafetensorsArray }] = [
      'a',
      { shape: [3], data: new Int8Array([1, 2, 3]) },
    ];
    const b: [string, { shape: number[]; data: SafetensorsArray }] = ['b', { shape: [1], data: new Float32Array([4]) }];
    const one = writeSafetensors(new Map([a, b]));
    expect(writeSafetensors(new Map([b, a]))).toEqual(one);
    expect(Number(new DataView(one.buffer).getBigUint64(0, true)) % 8).toBe(0);
  });

  test('random tensors', () => {
    const tensor = fc
      .array(fc.float(), { maxLength: 20 })
      .map((v) => ({ shape: [v.length], data: Float32Array.from(v) }));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), tensor, { noNullPrototype: true }), (dictionary) => {
        const tensors = new Map(Object.entries(dictionary).filter(([name]) => name !== '__metadata__'));
        const read = readSafetensors(writeSafetensors(tensors)).tensors;
        for (const [name, { data }] of tensors) expect(read.get(name)?.data).toEqual(data);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  test('the tensors read are copies', () => {
    const bytes = writeSafetensors(new Map([['a', { shape: [1], data: new Float32Array([1]) }]]));
    for (const given of [bytes.slice(), Buffer.from(bytes)]) {
      const { data } = readSafetensors(given).tensors.get('a')!;
      given.fill(0);
      expect(data).toEqual(Float32Array.of(1));
    }
  });
});

describe('a file made by the reference implementation', () => {
  test('is read', () => {
    // safetensors.numpy.save({"b": np.array([1.5, -2], np.float32), "a": np.array([[7]], np.int32)}), byte for byte.
    const header =
      '{"a":{"dtype":"I32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}   ';
    const data = new Uint8Array(12);
    const view = new DataView(data.buffer);
    view.setInt32(0, 7, true);
    view.setFloat32(4, 1.5, true);
    view.setFloat32(8, -2, true);
    const { tensors } = readSafetensors(file(header, data));
    expect(tensors.get('a')).toEqual({ dtype: 'I32', shape: [1, 1], data: new Int32Array([7]) });
    expect(tensors.get('b')).toEqual({ dtype: 'F32', shape: [2], data: new Float32Array([1.5, -2]) });
  });
});

describe('what is refused', () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ['no length', new Uint8Array(5), /at least 8 bytes but it has 5/],
    ['a header longer than the file', file('{}', undefined, 1000), /should have 1000 bytes but 2 follow/],
    ['a giant header', file('{}', undefined, Number.MAX_SAFE_INTEGER), /should have 9007199254740991 bytes/],
    ['no object', file('[]'), /begin with '\{'/],
    ['an empty header', file(''), /begin with '\{'/],
    ['broken JSON', file('{"a":'), /not JSON/],
    [
      'broken UTF-8',
      (() => {
        const f = file('{"a":1}');
        f[10] = 0xff;
        return f;
      })(),
      /not JSON/,
    ],
    ['an entry that is no object', file('{"a":1}'), /entry of tensor 'a'/],
    ['an unknown dtype', file(`{"a":${entry('F8', [1], 0, 1)}}`, new Uint8Array(1)), /unknown dtype 'F8'/],
    ['a dtype named like a method', file(`{"a":${entry('toString', [1], 0, 1)}}`, new Uint8Array(1)), /unknown dtype/],
    ['a negative size', file(`{"a":${entry('I8', [-1], 0, 1)}}`, new Uint8Array(1)), /shape \[-1\]/],
    ['a fractional size', file(`{"a":${entry('I8', [1.5], 0, 1)}}`, new Uint8Array(1)), /shape \[1.5\]/],
    ['a reversed range', file(`{"a":${entry('I8', [1], 1, 0)}}`, new Uint8Array(1)), /byte range/],
    [
      'a range that does not fit the shape',
      file(`{"a":${entry('F32', [2], 0, 4)}}`, new Uint8Array(4)),
      /needs 8 bytes but its range has 4/,
    ],
    [
      'an overflowing shape',
      file(`{"a":${entry('F32', [2 ** 40, 2 ** 40], 0, 4)}}`, new Uint8Array(4)),
      /needs .* bytes/,
    ],
    [
      'a tensor past the end',
      file(`{"a":${entry('F32', [1], 0, 4)}}`, new Uint8Array(3)),
      /ends at byte 4 .* has 3 bytes/,
    ],
    [
      'an overlap',
      file(`{"a":${entry('I8', [2], 0, 2)},"b":${entry('I8', [2], 1, 3)}}`, new Uint8Array(3)),
      /'b' begins at byte 1, inside/,
    ],
    ['a hole', file(`{"a":${entry('I8', [1], 1, 2)}}`, new Uint8Array(2)), /no tensor covers the bytes 0 to 1/],
    ['bytes left over', file(`{"a":${entry('I8', [1], 0, 1)}}`, new Uint8Array(2)), /1 bytes after the last tensor/],
    [
      'a name twice',
      file(`{"a":${entry('I8', [1], 0, 1)},"\\u0061":${entry('I8', [1], 0, 1)}}`, new Uint8Array(1)),
      /names 'a' twice/,
    ],
    ['metadata with a number', file('{"__metadata__":{"a":1}}'), /must map strings to strings/],
  ];
  test.each(cases)('%s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, 'weights.bin')).toThrow(message);
    expect(() => readSafetensors(bytes, 'weights.bin')).toThrow(expect.objectContaining({ code: 'FORMAT' }));
    expect(() => readSafetensors(bytes, 'weights.bin')).toThrow(/^weights\.bin is not a valid safetensors file/);
  });

  test('when writing: a shape that does not fit, a wrong dtype, a reserved name', () => {
    const data = new Float32Array(3);
    expect(() => writeSafetensors(new Map([['w', { shape: [2, 2], data }]]))).toThrow(
      /4 elements for tensor 'w' of shape \[2, 2\]/,
    );
    expect(() => writeSafetensors(new Map([['w', { shape: [3], data, dtype: 'I8' as const }]]))).toThrow(/dtype I8/);
    expect(() => writeSafetensors(new Map([['__metadata__', { shape: [3], data }]]))).toThrow(/__metadata__/);
  });
});
