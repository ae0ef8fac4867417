import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { beta, cutmix, mixup } from '../../src/data/index.js';

const SHAPE = { steps: 10, columns: 2 };
/** Window i holds i everywhere. */
const windows = (count: number) => Float32Array.from({ length: count * 20 }, (_, i) => Math.floor(i / 20));

test('beta draws have the mean and the variance of Beta(α, α)', () => {
  for (const alpha of [0.2, 1, 4]) {
    const random = new Random(1);
    const draws = Array.from({ length: 20_000 }, () => beta(alpha, random));
    const mean = draws.reduce((a, b) => a + b) / draws.length;
    const variance = draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length;
    const wanted = 1 / (4 * (2 * alpha + 1));
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(wanted / draws.length));
    expect(Math.abs(variance / wanted - 1)).toBeLessThan(0.05);
    expect(draws.every((x) => x >= 0 && x <= 1)).toBe(true);
  }
});

test('mixup mixes all of a window with its partner', () => {
  const x = windows(6);
  const { own, partner } = mixup(x, 6, 0.4, new Random(2));
  expect([...partner].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  x.forEach((value, i) => {
    const w = Math.floor(i / 20);
    expect(value).toBeCloseTo(own * w + (1 - own) * partner[w], 5);
  });
});

test('CutMix takes the same rows of the partner, and their share is that of its label', () => {
  const shares = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const x = windows(4);
    const { own, partner } = cutmix(x, 4, SHAPE, 1, new Random(seed));
    shares.add(own);
    for (let w = 0; w < 4; w++) {
      const rows = Array.from({ length: 10 }, (_, t) => x[w * 20 + 2 * t]);
      const taken = rows.map((value) => value !== w);
      if (partner[w] !== w) {
        expect(taken.filter(Boolean).length).toBe(Math.round((1 - own) * 10));
        // One stretch: at most two borders between kept and taken rows.
        expect(taken.filter((t, i) => i > 0 && t !== taken[i - 1]).length).toBeLessThanOrEqual(2);
        expect(rows.filter((_, t) => taken[t]).every((value) => value === partner[w])).toBe(true);
      }
    }
  }
  expect(shares.size).toBeGreaterThan(5);
});
