import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { MirroredWindows, StandardScaler, WindowDataset } from '../../src/data/index.js';
import { mirrorRows } from '../../src/features/index.js';

// Columns 0 and 1 change places and turn, column 2 turns, column 3 stays.
const MIRROR = { from: Int32Array.of(1, 0, 2, 3), sign: Float32Array.of(-1, -1, -1, 1) };
const random = new Random(4);
const values = Float32Array.from({ length: 40 }, () => random.normal() + 1);
const classes = Int32Array.from({ length: 10 }, (_, i) => (i === 9 ? -1 : i % 3));
const returns = Float32Array.from({ length: 10 }, (_, i) => i - 4);
const windows = new WindowDataset({
  ...{ values, columns: 4, steps: 2, rows: Int32Array.of(3, 5, 9) },
  targets: [classes],
  returns: [returns],
});

describe('windows and their images', () => {
  const both = new MirroredWindows(windows, MIRROR);

  test('are twice the windows, up for down, every row mirrored', () => {
    expect([both.length, both.steps, both.columns, both.horizons]).toEqual([6, 2, 4, 1]);
    const x = new Float32Array(16);
    const y = [new Int32Array(2)];
    both.batch([1, 4], x, y);
    expect(x.subarray(0, 8)).toEqual(values.subarray(16, 24));
    expect(x.subarray(8)).toEqual(mirrorRows(values.subarray(16, 24), MIRROR));
    expect([...y[0]]).toEqual([2, 0]);
    expect([...both.labels(0)]).toEqual([0, 2, -1, 2, 0, -1]);
    const out = [new Float32Array(2)];
    both.returns!([2, 5], out);
    expect([...out[0]]).toEqual([5, -5]);
  });

  test('every window comes once an epoch, in an order of its own', () => {
    expect([...both.order(1, 0)].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...both.order(1, 0)]).toEqual([...both.order(1, 0)]);
    expect(
      Array.from({ length: 5 }, (_, epoch) => [...both.order(1, epoch)].join()).some((o, _, all) => o !== all[0]),
    ).toBe(true);
  });

  test('a mirror of other columns is refused', () => {
    const short = { from: Int32Array.of(0), sign: Float32Array.of(1) };
    expect(() => new MirroredWindows(windows, short)).toThrow(/expected that of 4 columns/);
  });

  test('a scaler fitted with the mirror scales the image to the image of the scaled', () => {
    const scaler = StandardScaler.fit(values, 4, { start: 0, end: 10 }, { mirror: MIRROR });
    const image = scaler.transform(mirrorRows(values, MIRROR));
    const expected = mirrorRows(scaler.transform(values), MIRROR);
    for (const [i, value] of image.entries()) expect(value).toBeCloseTo(expected[i], 5);
    // As measured on the rows and images one after the other.
    const all = new Float32Array(80);
    all.set(values);
    all.set(mirrorRows(values, MIRROR), 40);
    const plain = StandardScaler.fit(all, 4, { start: 0, end: 20 });
    for (let c = 0; c < 4; c++) {
      expect(scaler.mean[c]).toBeCloseTo(plain.mean[c], 5);
      expect(scaler.inverseStd[c]).toBeCloseTo(plain.inverseStd[c], 5);
    }
  });
});
