import { philox4x32 } from '../core/philox.js';
import type { Random } from '../core/random.js';
import { addNormals as addNativeNormals, nativeAvailable } from '../native/index.js';

/**
 * values[i] += deviation · n[i], n standard normal: four words are drawn from `random`, and all deviates from these, in native code where there
 * is any. There and in `plainNormals` they are the same to 4e-6, and the same bits on AVX2 and AVX-512.
 */
export function addNormals(values: Float32Array, deviation: number, random: Random): void {
  const key = Uint32Array.from({ length: 4 }, () => random.uint32());
  if (nativeAvailable()) {
    addNativeNormals(values, deviation, key);
    return;
  }
  const normals = plainNormals(values.length, key);
  for (let i = 0; i < values.length; i++) values[i] += deviation * normals[i];
}

/**
 * The definition: Box and Muller's transform (1958) of Philox4x32-10. Of the words of block b, counter (b, 0, key[2], key[3]) and key
 * (key[0], key[1]), two make a radius and an angle, which are elements j and j + 2 of the block's four.
 */
export function plainNormals(count: number, key: Uint32Array): Float64Array {
  const normals = new Float64Array(4 * Math.ceil(count / 4));
  const words = new Uint32Array(4);
  for (let i = 0; i < count; i += 4) {
    philox4x32(i / 4, 0, key[2], key[3], key[0], key[1], words);
    for (let j = 0; j < 2; j++) {
      const radius = Math.sqrt(-2 * Math.log(((words[2 * j] >>> 8) + 1) * 2 ** -24));
      const angle = 2 * Math.PI * (words[2 * j + 1] >> 8) * 2 ** -24;
      normals[i + j] = radius * Math.cos(angle);
      normals[i + j + 2] = radius * Math.sin(angle);
    }
  }
  return normals.subarray(0, count);
}
