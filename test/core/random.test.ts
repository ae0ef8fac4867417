import { describe, expect, it } from 'vitest';
import { Random, splitMix64 } from '../../src/core/random.js';

describe('Random', () => {
  // Output of the authors' xoshiro128starstar.c (1.1) from the state 1, 2, 3, 4; also the vectors of Rust's rand_xoshiro.
  it('gives the published sequence of xoshiro128**', () => {
    const random = Random.fromState([1, 2, 3, 4]);
    expect(Array.from({ length: 10 }, () => random.uint32())).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  // Output of Vigna's splitmix64.c; also the vectors of Rust's rand_xoshiro.
  it('is seeded by the published sequence of SplitMix64', () => {
    const next = splitMix64(1477776061723855037n);
    expect([next(), next(), next(), next(), next()]).toEqual([
      1985237415132408290n,
      2979275885539914483n,
      13511426838097143398n,
      8488337342461049707n,
      15141737807933549159n,
    ]);
    const low = (word: bigint) => Number(word & 0xffffffffn);
    expect(new Random(1477776061723855037n).state).toEqual([
      low(1985237415132408290n),
      Number(1985237415132408290n >> 32n),
      low(2979275885539914483n),
      Number(2979275885539914483n >> 32n),
    ]);
  });

  it('repeats from a seed, differs between seeds and between streams', () => {
    const draw = (random: Random) => Array.from({ length: 8 }, () => random.uint32());
    expect(draw(new Random(7))).toEqual(draw(new Random(7)));
    expect(draw(new Random(7))).toEqual(draw(new Random(7n)));
    const sequences = [new Random(7), new Random(8), new Random(7, 1), new Random(7, 2), new Random(-7), new Random(0)];
    expect(new Set(sequences.map((r) => draw(r).join())).size).toBe(sequences.length);
  });

  it('goes on from its state', () => {
    const random = new Random(3);
    random.uint32();
    const copy = Random.fromState(random.state);
    expect(Array.from({ length: 5 }, () => copy.uint32())).toEqual(Array.from({ length: 5 }, () => random.uint32()));
  });

  it('draws uniforms in [0, 1) with the moments of a uniform', () => {
    const random = new Random(11);
    const n = 200_000;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < n; i++) {
      const u = random.float();
      if (!(u >= 0 && u < 1)) throw new Error(`${u} is outside [0, 1)`);
      sum += u;
      squares += u * u;
    }
    expect(Math.abs(sum / n - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(squares / n - 1 / 3)).toBeLessThan(4 * Math.sqrt(4 / 45 / n));
  });

  it('draws normal and exponential deviates with their first two moments', () => {
    const random = new Random(12);
    const n = 200_000;
    let mean = 0;
    let variance = 0;
    let waits = 0;
    for (let i = 0; i < n; i++) {
      const z = random.normal();
      mean += z / n;
      variance += (z * z) / n;
      waits += random.exponential(4) / n;
    }
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(waits - 0.25)).toBeLessThan((4 * 0.25) / Math.sqrt(n));
  });

  it('draws below a bound without bias', () => {
    const random = new Random(5);
    const counts = new Array(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.below(7)]++;
    const chiSquare = counts.reduce((sum, c) => sum + (c - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(22.5); // 99.9 % of χ² with 6 degrees of freedom
    expect(random.below(1)).toBe(0);
    expect(random.below(0x100000000)).toBeLessThan(0x100000000);
  });

  it('shuffles every order equally often', () => {
    const random = new Random(9);
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = random.shuffle([0, 1, 2, 3]).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquare = [...counts.values()].reduce((sum, c) => sum + (c - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(49.7); // 99.9 % of χ² with 23 degrees of freedom
    expect([...random.shuffle(Int32Array.of(1, 2, 3))].sort()).toEqual([1, 2, 3]);
  });

  it('refuses seeds, bounds and states that it cannot honour', () => {
    expect(() => new Random(0.5)).toThrow(/expected an integer for seed but received 0.5/);
    expect(() => new Random(Number.NaN)).toThrow(/seed/);
    expect(() => new Random(1).below(0)).toThrow(/bound/);
    expect(() => new Random(1).below(2 ** 33)).toThrow(/bound/);
    expect(() => Random.fromState([0, 0, 0, 0])).toThrow(/not all zeros/);
    expect(() => Random.fromState([1, 2, 3] as never)).toThrow(/four integers/);
  });
});
