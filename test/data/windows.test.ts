import { describe, expect, it } from 'vitest';
import { sampleRows, WindowDataset } from '../../src/data/index.js';

const rows = 12;
const columns = 2;
const values = Float32Array.from({ length: rows * columns }, (_, i) => i);
const targets = [
  Int32Array.from({ length: rows }, (_, i) => i % 3),
  Int32Array.from({ length: rows }, (_, i) => -(i % 2)),
];
const dataset = (extra = {}) =>
  new WindowDataset({ values, columns, steps: 3, targets, rows: sampleRows({ start: 2, end: 12 }, 4), ...extra });

describe('WindowDataset', () => {
  it('gathers the rows up to the last row of each window, and its targets', () => {
    const windows = dataset();
    expect([windows.length, windows.horizons, [...windows.rows]]).toEqual([3, 2, [2, 6, 10]]);
    const x = new Float32Array(2 * 3 * columns);
    const y = [new Int32Array(2), new Int32Array(2)];
    windows.batch([2, 0], x, y);
    expect([...x]).toEqual([16, 17, 18, 19, 20, 21, 0, 1, 2, 3, 4, 5]);
    expect(y.map((a) => [...a])).toEqual([
      [10 % 3, 2],
      [0, 0],
    ]);
    expect([...windows.labels(0)]).toEqual([2, 0, 1]);
    windows.batch([1], x);
    expect([...x.subarray(0, 6)]).toEqual([8, 9, 10, 11, 12, 13]);
  });

  it('has no row of a window after its last row', () => {
    const changed = values.map((v, i) => (i < 7 * columns ? v : -1));
    const x = [new Float32Array(12), new Float32Array(12)];
    dataset().batch([0, 1], x[0]);
    dataset({ values: changed }).batch([0, 1], x[1]);
    expect(x[1]).toEqual(x[0]);
  });

  it('orders windows by (seed, epoch) alone', () => {
    const windows = new WindowDataset({ values, columns, steps: 1, targets, rows: sampleRows({ start: 0, end: 12 }) });
    const order = windows.order(5, 1);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(windows.order(5, 1)).toEqual(order);
    expect(windows.order(5, 2)).not.toEqual(order);
    expect(windows.order(6, 1)).not.toEqual(order);
  });

  it('names what is wrong', () => {
    expect(() => dataset({ steps: 13 })).toThrow(/12 rows are fewer than one window of 13/);
    expect(() => dataset({ rows: Int32Array.of(1) })).toThrow(/rows\[0\]/);
    expect(() => dataset({ rows: Int32Array.of(12) })).toThrow(/between 2 and 11/);
    expect(() => dataset({ rows: [3] })).toThrow(/Int32Array of last rows/);
    expect(() => dataset({ targets: [new Int32Array(3)] })).toThrow(/targets\[0\]/);
    expect(() => dataset({ columns: 5 })).toThrow(/rows of 5 columns/);
    expect(() => dataset({ step: 5 })).toThrow(/did you mean 'steps'/);
    const broken = values.slice();
    broken[9] = Number.NaN;
    expect(() => dataset({ values: broken, names: ['spread', 'depth'] })).toThrow(/row 4, column 1 \(depth\) is NaN/);
    expect(() => dataset({ values: broken, rows: Int32Array.of(10, 2) })).not.toThrow();
    expect(() => dataset({ values: broken, rows: Int32Array.of(10, 6) })).toThrow(/row 4, column 1/);
    const windows = dataset();
    expect(() => windows.batch([3], new Float32Array(6))).toThrow(/a window from 0 to 2/);
    expect(() => windows.batch([0, 1], new Float32Array(6))).toThrow(/outX/);
    expect(() => windows.batch([0], new Float32Array(6), [new Int32Array(0)])).toThrow(/outY\[0\]/);
    expect(() => windows.labels(2)).toThrow(/horizon/);
  });
});
