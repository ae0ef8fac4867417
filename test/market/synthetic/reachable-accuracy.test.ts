import { describe, expect, test } from 'vitest';
import { Random } from '../../../src/core/random.js';
import { reachableAccuracy } from '../../../src/market/synthetic/reachable-accuracy.js';

describe('reachableAccuracy', () => {
  test('finds the known accuracy of a known law', () => {
    // The class is the sign of the state with probability 0.8, else the other one.
    const random = new Random(4);
    const n = 100_000;
    const hidden = Float32Array.from({ length: n }, () => random.normal());
    const targets = Int32Array.from(hidden, (x) => (random.float() < 0.8 === x > 0 ? 1 : 0));
    const { accuracy, majority, rows } = reachableAccuracy(hidden, targets);
    expect(rows).toBe(n / 2);
    // Five standard errors, and the bin that holds zero may be wrong for half of itself.
    expect(Math.abs(accuracy - 0.8)).toBeLessThan(5 * Math.sqrt(0.16 / rows) + 0.6 / 50);
    expect(Math.abs(majority - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / rows));
  });

  test('is measured on other rows than it is fitted on: noise gains nothing', () => {
    const random = new Random(5);
    const hidden = Float32Array.from({ length: 20_000 }, () => random.normal());
    const targets = Int32Array.from(hidden, () => random.below(3));
    expect(Math.abs(reachableAccuracy(hidden, targets, { bins: 2000 }).accuracy - 1 / 3)).toBeLessThan(0.03);
  });

  test('leaves rows without a label out, and takes ranges', () => {
    const hidden = [0, 0, 1, 1, 0, 1, 0, 1];
    const targets = [0, -1, 2, 2, 0, 2, -1, 0];
    const found = reachableAccuracy(hidden, targets, { fit: [0, 4], test: [4, 8], bins: 2 });
    expect(found).toEqual({ accuracy: 2 / 3, majority: 1 / 3, rows: 3 });
  });

  test('refuses what makes no sense', () => {
    expect(() => reachableAccuracy([1, 2], [0])).toThrow(/targets/);
    expect(() => reachableAccuracy([1, 2], [0, -1])).toThrow(/test/);
    expect(() => reachableAccuracy([1, 2], [0, 0], { fit: [0, 3] })).toThrow(/fit end/);
    expect(() => reachableAccuracy([1, 2], [0, 0], { bin: 2 } as never)).toThrow(/did you mean 'bins'/);
  });
});
