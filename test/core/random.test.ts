import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';

/** xoshiro128** as its authors' C file has it, in 32-bit BigInt arithmetic, from a state of four words. */
function* reference(state: bigint[]): Generator<number> {
  const mask = 0xffffffffn;
  const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
  const s = [...state];
  for (;;) {
    yield Number((rotl((s[1] * 5n) & mask, 7n) * 9n) & mask);
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11n);
  }
}

/** splitmix32 in BigInt arithmetic: the four words that seed the generator. */
function seedWords(seed: bigint): bigint[] {
  const mask = 0xffffffffn;
  let state = seed & mask;
  return [0, 1, 2, 3].map(() => {
    state = (state + 0x9e3779b9n) & mask;
    let z = state ^ (state >> 16n);
    z = (z * 0x21f0aaadn) & mask;
    z = ((z ^ (z >> 15n)) * 0x735a2d97n) & mask;
    return z ^ (z >> 15n);
  });
}

describe('Random', () => {
  test('gives the numbers of xoshiro128**', () => {
    const random = new Random(7);
    const numbers = reference(seedWords(7n));
    for (let i = 0; i < 1000; i++) expect(random.bits()).toBe(numbers.next().value);
  });

  test('repeats from its seed and differs between seeds', () => {
    const draw = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 8 }, () => random.bits());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(5)).not.toEqual(draw(5 + 2 ** 32));
  });

  test('has the moments of its distributions', () => {
    const random = new Random(3);
    const n = 200_000;
    let uniform = 0;
    let normal = 0;
    let square = 0;
    let exponential = 0;
    for (let i = 0; i < n; i++) {
      uniform += random.uniform();
      const z = random.normal();
      normal += z;
      square += z * z;
      exponential += random.exponential();
    }
    // Five standard errors each.
    expect(Math.abs(uniform / n - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(normal / n)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(square / n - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(exponential / n - 1)).toBeLessThan(5 / Math.sqrt(n));
  });

  test('shuffle keeps the values and reaches every order', () => {
    const random = new Random(11);
    const seen = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const values = Int32Array.of(1, 2, 3);
      random.shuffle(values);
      expect([...values].sort()).toEqual([1, 2, 3]);
      const key = values.join('');
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
  });

  test('refuses a seed that is not a whole number', () => {
    expect(() => new Random(1.5)).toThrow(/seed/);
    expect(() => new Random(-1)).toThrow(/seed/);
  });
});
