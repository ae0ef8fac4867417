import { Random } from '../core/random.js';

/** Standard normal numbers from a seed. */
export function normals(count: number, seed: number, scale = 1): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => scale * random.normal());
}

/** `count` different places below `bound`, or all of them where there are fewer. */
export function places(count: number, bound: number, seed: number): Int32Array {
  if (bound <= count) return Int32Array.from({ length: bound }, (_, i) => i);
  const random = new Random(seed);
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(random.below(bound));
  return Int32Array.from(chosen);
}
