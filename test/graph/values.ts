/** Numbers for tests: seeded, rounded to float32 so that every backend starts from the same values. */
import { Random } from '../../src/core/random.js';

export type Fill = 'normal' | 'positive' | 'wide' | 'uniform' | 'special' | 'int8' | 'uint8' | readonly number[];

const SPECIAL = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  0,
  1e-45, // the smallest float32
  -1e-39,
  3e38,
  -3e38,
  1,
  -1,
];

/** @returns `size` values; 'wide' spans 60 binary orders of magnitude, 'special' mixes NaN, infinities, zeros and extremes in. */
export function fill(kind: Fill, size: number, seed: number): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: size }, (_, i) => {
    if (typeof kind !== 'string') return kind[i % kind.length];
    if (kind === 'int8') return random.below(255) - 127;
    if (kind === 'uint8') return random.below(256);
    if (kind === 'uniform') return Math.fround(random.float());
    const normal = Math.fround(random.normal());
    if (kind === 'positive') return Math.fround(0.2 + Math.abs(normal));
    if (kind === 'wide') return Math.fround(normal * 2 ** (random.below(61) - 40));
    if (kind === 'special' && random.below(4) === 0) return Math.fround(SPECIAL[random.below(SPECIAL.length)]);
    return normal;
  });
}
