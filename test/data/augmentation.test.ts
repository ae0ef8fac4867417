import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { type Augmentation, jitter, sliceWindow, warpMagnitude, warpTime } from '../../src/data/index.js';
import { cubicSplines } from '../../src/data/spline.js';

const SHAPE = { steps: 40, columns: 3 };
const SIZE = SHAPE.steps * SHAPE.columns;
/** Columns t, −2 t and 5. */
const ramp = () =>
  Float32Array.from({ length: SIZE }, (_, i) => [1, -2, 0][i % 3] * Math.floor(i / 3) + (i % 3 === 2 ? 5 : 0));
const run = (augmentation: Augmentation, seed = 1, window = ramp()) => {
  augmentation.apply(window, new Float32Array(SIZE), SHAPE, new Random(seed));
  return window;
};
const column = (window: Float32Array, c: number) => Array.from({ length: SHAPE.steps }, (_, t) => window[t * 3 + c]);

describe.each([
  ['jitter', jitter()],
  ['warpMagnitude', warpMagnitude()],
  ['warpTime', warpTime()],
  ['sliceWindow', sliceWindow({ share: 0.7 })],
])('%s', (_, augmentation) => {
  test('changes the window, the same way for the same seed, another for another', () => {
    expect(run(augmentation)).not.toEqual(ramp());
    expect(run(augmentation)).toEqual(run(augmentation));
    expect(run(augmentation, 2)).not.toEqual(run(augmentation));
    expect(run(augmentation).every(Number.isFinite)).toBe(true);
  });

  test('works on windows of one and two rows', () => {
    for (const steps of [1, 2]) {
      const window = Float32Array.of(1, 2, 3, 4, 5, 6).subarray(0, 3 * steps);
      augmentation.apply(window, new Float32Array(3 * steps), { steps, columns: 3 }, new Random(3));
      expect(window.every(Number.isFinite)).toBe(true);
    }
  });
});

test('jitter adds noise of its deviation and no bias', () => {
  const noise = new Float32Array(30_000);
  jitter({ deviation: 0.5 }).apply(noise, noise.slice(), { steps: 10_000, columns: 3 }, new Random(4));
  const mean = noise.reduce((a, b) => a + b) / noise.length;
  const deviation = Math.sqrt(noise.reduce((a, b) => a + (b - mean) ** 2, 0) / noise.length);
  expect(Math.abs(mean)).toBeLessThan((5 * 0.5) / Math.sqrt(noise.length));
  expect(Math.abs(deviation / 0.5 - 1)).toBeLessThan(5 / Math.sqrt(2 * noise.length));
});

test('magnitude warping multiplies each column by a smooth curve around 1; deviation 0 is 1 to the rounding', () => {
  const warped = run(warpMagnitude({ deviation: 0.2, knots: 2 }));
  const factors = column(warped, 2).map((x) => x / 5);
  for (let t = 1; t < factors.length; t++) expect(Math.abs(factors[t] - factors[t - 1])).toBeLessThan(0.1);
  expect(Math.max(...factors) - Math.min(...factors)).toBeGreaterThan(0.01);
  run(warpMagnitude({ deviation: 0 })).forEach((x, i) => void expect(x).toBeCloseTo(ramp()[i], 4));
});

test('time warping keeps the ends and the order of time, the same in all columns', () => {
  const warped = run(warpTime({ deviation: 0.4 }));
  const time = column(warped, 0);
  expect([time[0], time.at(-1)]).toEqual([0, SHAPE.steps - 1]);
  for (let t = 1; t < time.length; t++) expect(time[t]).toBeGreaterThan(time[t - 1]);
  column(warped, 1).forEach((x, t) => void expect(x).toBeCloseTo(-2 * time[t], 4));
  expect(column(warped, 2)).toEqual(new Array(SHAPE.steps).fill(5));
});

test('slices end where the window ends, and begin at most at the share that may be cut', () => {
  for (let seed = 0; seed < 50; seed++) {
    const time = column(run(sliceWindow({ share: 0.5 }), seed), 0);
    expect(time.at(-1)).toBe(SHAPE.steps - 1);
    expect(time[0]).toBeGreaterThanOrEqual(0);
    expect(time[0]).toBeLessThanOrEqual(0.5 * (SHAPE.steps - 1));
    const step = time[1] - time[0];
    for (let t = 2; t < time.length; t++) expect(time[t] - time[t - 1]).toBeCloseTo(step, 3);
  }
});

test('the spline goes through its knots, is a line through points of a line, and has no second derivative at its ends', () => {
  const out = new Float32Array(31);
  const knots = Float32Array.of(1, 3, -2, 0);
  cubicSplines(knots, 1, out);
  for (const [i, y] of knots.entries()) expect(out[10 * i]).toBeCloseTo(y, 5);
  const bend = (t: number) => out[t + 1] - 2 * out[t] + out[t - 1];
  expect(Math.abs(bend(1))).toBeLessThan(Math.abs(bend(9)) / 4);
  // The natural spline through (0, 1), (1, 3), (2, −2), (3, 0): 4 m1 + m2 = −42 and m1 + 4 m2 = 42.
  const [m1, m2] = [-14, 14];
  expect(4 * m1 + m2).toBe(-42);
  expect(out[5]).toBeCloseTo((1 + 3) / 2 - m1 / 16, 5);
  expect(out[15]).toBeCloseTo((3 - 2) / 2 - (m1 + m2) / 16, 5);
  cubicSplines(Float32Array.of(0, 1, 2, 3), 1, out);
  out.forEach((y, t) => void expect(y).toBeCloseTo(t / 10, 6));
});

test('wrong options are named', () => {
  expect(() => jitter({ deviation: -1 })).toThrowError(/deviation/);
  expect(() => warpTime({ knots: 1.5 })).toThrowError(/knots/);
  expect(() => sliceWindow({ share: 0 })).toThrowError(/share/);
  expect(() => warpMagnitude({ sigma: 1 } as never)).toThrowError(/no option 'sigma'/);
});
