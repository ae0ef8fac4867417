import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RowRange, sampleRows, walkForwardSplit } from '../../src/data/index.js';

describe('walkForwardSplit', () => {
  it('keeps windows and labels inside their block', () => {
    expect(walkForwardSplit(1000, { purge: 10, window: 20 })).toEqual({
      train: { start: 19, end: 590 },
      validation: { start: 619, end: 790 },
      test: { start: 819, end: 990 },
    });
    expect(walkForwardSplit(1000, { purge: 10, embargo: 5 })).toEqual({
      train: { start: 0, end: 590 },
      validation: { start: 605, end: 790 },
      test: { start: 805, end: 990 },
    });
  });

  it('lets no window or label of one part touch a row of another, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 400, max: 3000 }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 0, max: 10 }),
        (rows, purge, window, embargo) => {
          const split = walkForwardSplit(rows, { purge, window, embargo });
          const touched = (part: RowRange) => ({ start: part.start - window + 1, end: part.end + purge });
          const [train, validation, test] = [split.train, split.validation, split.test].map(touched);
          expect(train.start).toBeGreaterThanOrEqual(0);
          expect(validation.start).toBeGreaterThanOrEqual(train.end + embargo);
          expect(test.start).toBeGreaterThanOrEqual(validation.end + embargo);
          expect(test.end).toBeLessThanOrEqual(rows);
          // Nothing is given away beyond that: the parts lie at the borders.
          expect(train.end).toBe(Math.floor(0.6 * rows + 1e-6));
          expect(validation.start).toBe(train.end + embargo);
          expect(validation.end).toBe(Math.floor(0.8 * rows + 1e-6));
          expect(test.end).toBe(rows);
        },
      ),
    );
  });

  it('takes other shares, and no validation where its share is 0', () => {
    const split = walkForwardSplit(100, { train: 0.5, validation: 0, test: 0.5, purge: 2 });
    expect(split).toEqual({
      train: { start: 0, end: 48 },
      validation: { start: 50, end: 50 },
      test: { start: 50, end: 98 },
    });
  });

  it('says why it cannot be', () => {
    expect(() => walkForwardSplit(50, { purge: 1, window: 100 })).toThrow(/50 rows are fewer than one window of 100/);
    expect(() => walkForwardSplit(200, { purge: 50, window: 100 })).toThrow(
      /the train part has 120 of 200 rows, which leaves none/,
    );
    expect(() => walkForwardSplit(400, { purge: 50, window: 100 })).toThrow(/the validation part/);
    expect(() => walkForwardSplit(100, { train: 0.9, purge: 1 })).toThrow(/add up to at most 1/);
    expect(() => walkForwardSplit(100, { purge: 1, embargoo: 3 } as never)).toThrow(/did you mean 'embargo'/);
    expect(() => walkForwardSplit(100, {} as never)).toThrow(/purge/);
  });
});

describe('sampleRows', () => {
  it('takes every stride-th row of a range', () => {
    expect([...sampleRows({ start: 3, end: 10 }, 3)]).toEqual([3, 6, 9]);
    expect([...sampleRows({ start: 3, end: 6 })]).toEqual([3, 4, 5]);
    expect([...sampleRows({ start: 3, end: 3 }, 5)]).toEqual([]);
    expect(() => sampleRows({ start: 0, end: 5 }, 0)).toThrow(/stride/);
  });
});
