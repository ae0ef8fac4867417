import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type CheckpointTensor,
  decodeCheckpoint,
  encodeCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from '../../src/train/checkpoint.js';
import { temporaryFolder } from './temporary-folder.js';

const tensors = (): Map<string, CheckpointTensor> =>
  new Map<string, CheckpointTensor>([
    [
      'w',
      { dtype: 'f32', shape: [2, 3], data: Float32Array.of(1, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-45, 3) },
    ],
    ['codes', { dtype: 'i8', shape: [3], data: Int8Array.of(-128, 0, 127) }],
    ['empty', { dtype: 'f32', shape: [0], data: new Float32Array(0) }],
    ['rng', { dtype: 'u32', shape: [2], data: Uint32Array.of(0, 0xffffffff) }],
    ['rows', { dtype: 'i32', shape: [], data: Int32Array.of(-7) }],
  ]);
const state = { step: 12, note: 'größer', history: [1.25, null] };

describe('checkpoint file', () => {
  test('gives back every bit, dtype and shape', async () => {
    const path = join(temporaryFolder(), 'run.ckpt');
    await writeCheckpoint(path, { state, tensors: tensors() });
    const back = (await readCheckpoint(path))!;
    expect(back.state).toEqual(state);
    expect([...back.tensors.keys()]).toEqual([...tensors().keys()]);
    for (const [name, { dtype, shape, data }] of tensors()) {
      const got = back.tensors.get(name)!;
      expect([got.dtype, got.shape], name).toEqual([dtype, shape]);
      expect(Buffer.from(got.data.buffer, got.data.byteOffset, got.data.byteLength), name).toEqual(
        Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      );
    }
    expect(readdirSync(join(path, '..'))).toEqual(['run.ckpt']);
  });

  test('is absent where there is no file', async () => {
    expect(await readCheckpoint('/nonexistent/x.ckpt')).toBeUndefined();
  });

  test('refuses any changed byte and any truncation', () => {
    const whole = encodeCheckpoint({ state, tensors: tensors() });
    expect(() => decodeCheckpoint(whole, 'x')).not.toThrow();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = whole.slice();
        damaged[at] ^= flip;
        expect(() => decodeCheckpoint(damaged, 'run.ckpt')).toThrowError(/run\.ckpt is not a usable checkpoint/);
      }),
    );
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeCheckpoint(whole.slice(0, length), 'x')).toThrowError(/not a usable checkpoint/);
    }
  });

  test('names a version that it does not know', () => {
    const file = encodeCheckpoint({ state, tensors: tensors() });
    file[8] = 9;
    expect(() => decodeCheckpoint(file, 'x')).toThrowError(/format version 1 but found 9/);
  });

  test('a foreign file is refused by name', async () => {
    const path = join(temporaryFolder(), 'foreign.ckpt');
    writeFileSync(path, 'PK\x03\x04 not a checkpoint at all');
    await expect(readCheckpoint(path)).rejects.toMatchObject({
      code: 'FORMAT',
      message: expect.stringContaining(path),
    });
  });

  test('an unwritable place leaves the old file', async () => {
    const path = join(temporaryFolder(), 'run.ckpt');
    await writeCheckpoint(path, { state, tensors: tensors() });
    const before = readFileSync(path);
    await expect(writeCheckpoint(join(path, 'below'), { state, tensors: tensors() })).rejects.toMatchObject({
      code: 'FILE',
    });
    expect(readFileSync(path)).toEqual(before);
  });
});
