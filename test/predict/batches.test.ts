import { describe, expect, test } from 'vitest';
import { splitBatches } from '../../src/predict/batches.js';

describe('splitBatches', () => {
  test.each([[[1, 8, 32]], [[8, 32]], [[4]], [[1]]])('covers every window once with sizes %j', (sizes) => {
    for (let windows = 1; windows <= 140; windows++) {
      let next = 0;
      for (const run of splitBatches(windows, sizes)) {
        expect(run.start).toBe(next);
        expect(sizes).toContain(run.batch);
        expect(run.windows).toBeGreaterThan(0);
        expect(run.windows).toBeLessThanOrEqual(run.batch);
        next += run.windows;
      }
      expect(next).toBe(windows);
    }
  });

  test('takes exact sizes, pads what fills half a run, and splits the rest', () => {
    const sizes = (n: number) => splitBatches(n, [1, 8, 32]).map(({ batch }) => batch);
    expect(sizes(1)).toEqual([1]);
    expect(sizes(3)).toEqual([1, 1, 1]);
    expect(sizes(5)).toEqual([8]);
    expect(sizes(8)).toEqual([8]);
    expect(sizes(12)).toEqual([8, 8]);
    expect(sizes(20)).toEqual([32]);
    expect(sizes(65)).toEqual([32, 32, 1]);
  });
});
