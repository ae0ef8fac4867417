import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { StandardScaler } from '../../src/data/index.js';

describe('StandardScaler', () => {
  it('has the mean and the population deviation of the train rows', () => {
    const values = Float32Array.of(1, 10, 3, 10, 5, 10, 999, 999);
    const scaler = StandardScaler.fit(values, 2, { start: 0, end: 3 });
    expect([...scaler.mean]).toEqual([3, 10]);
    expect(scaler.inverseStd[0]).toBe(Math.fround(1 / Math.sqrt(8 / 3)));
    expect(scaler.inverseStd[1]).toBe(0);
    const scaled = scaler.transform(values);
    expect([...scaled.subarray(0, 6)]).toEqual([
      Math.fround(-2 * scaler.inverseStd[0]),
      0,
      0,
      0,
      Math.fround(2 * scaler.inverseStd[0]),
      0,
    ]);
    expect([...scaled.subarray(6)]).toEqual([10, 0]);
    expect(new StandardScaler(scaler.mean, scaler.inverseStd, 2).transform(values)[6]).toBe(2);
  });

  it('has not seen the rows after train, to the bit', () => {
    const random = new Random(1);
    const values = Float32Array.from({ length: 900 }, () => random.normal());
    const other = values.map((v, i) => (i < 600 ? v : 1000 * v));
    const range = { start: 0, end: 200 };
    const fitted = StandardScaler.fit(values, 3, range);
    const again = StandardScaler.fit(other, 3, range);
    expect(again).toEqual(fitted);
    expect(again.transform(other.subarray(0, 600))).toEqual(fitted.transform(values.subarray(0, 600)));
    expect(StandardScaler.fit(other, 3, { start: 0, end: 300 }).mean).not.toEqual(fitted.mean);
  });

  it('is stable where the mean is large and the spread small', () => {
    const values = Float32Array.from({ length: 1000 }, (_, i) => 1e6 + (i % 2));
    const scaler = StandardScaler.fit(values, 1, { start: 0, end: 1000 });
    expect(scaler.inverseStd[0]).toBeCloseTo(2, 5);
    const constant = StandardScaler.fit(new Float32Array(1000).fill(0.1), 1, { start: 0, end: 1000 });
    expect(constant.inverseStd[0]).toBe(0);
  });

  it('lets NaN through and writes in place when asked', () => {
    const scaler = new StandardScaler(Float32Array.of(1), Float32Array.of(2));
    const values = Float32Array.of(Number.NaN, 2, Number.POSITIVE_INFINITY);
    expect(scaler.transform(values, values)).toBe(values);
    expect([...values]).toEqual([Number.NaN, 2, 10]);
  });

  it('names row and column of what is not finite', () => {
    const values = Float32Array.of(1, 2, 3, Number.NaN, 5, Number.POSITIVE_INFINITY);
    const fitting = (names?: string[]) => () => StandardScaler.fit(values, 2, { start: 0, end: 3 }, { names });
    expect(fitting()).toThrow(/row 1, column 1 is NaN/);
    expect(fitting(['spread', 'depth'])).toThrow(/row 1, column 1 \(depth\) is NaN/);
    expect(() => StandardScaler.fit(values, 2, { start: 2, end: 3 })).toThrow(/row 2, column 1 is Infinity/);
    expect(() => StandardScaler.fit(values, 2, { start: 1, end: 1 })).toThrow(/empty/);
    expect(() => StandardScaler.fit(values, 4, { start: 0, end: 1 })).toThrow(/rows of 4 columns/);
    expect(() => StandardScaler.fit(values, 2, { start: 0, end: 1 }, { clipp: 3 } as never)).toThrow(
      /did you mean 'clip'/,
    );
    expect(() => new StandardScaler(new Float32Array(2), new Float32Array(3))).toThrow(/inverseStd/);
  });
});
