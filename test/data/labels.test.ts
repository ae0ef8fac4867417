import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import {
  classify,
  countClasses,
  fitThreshold,
  lastMoveGuess,
  makeLabels,
  midPrices,
  pastReturn,
  smoothedMid,
} from '../../src/data/index.js';
import { EMPTY_ASK_PRICE, EMPTY_BID_PRICE } from '../../src/market/events.js';

function walk(seed: number, rows: number): Float64Array {
  const random = new Random(seed);
  let mid = 5_800_000;
  return Float64Array.from({ length: rows }, () => (mid += random.float() < 0.3 ? 50 * (random.below(11) - 5) : 0));
}

describe('midPrices', () => {
  it('keeps the last mid where a side is missing, and is NaN before the first', () => {
    const mid = midPrices({
      length: 4,
      levels: 2,
      askPrice: Int32Array.of(EMPTY_ASK_PRICE, EMPTY_ASK_PRICE, 103, 110, EMPTY_ASK_PRICE, EMPTY_ASK_PRICE, 105, 106),
      askSize: Int32Array.of(0, 0, 5, 6, 0, 0, 1, 1),
      bidPrice: Int32Array.of(100, 99, 100, 99, 98, 97, 104, EMPTY_BID_PRICE),
      bidSize: Int32Array.of(1, 1, 1, 1, 1, 1, 1, 0),
    });
    expect([...mid]).toEqual([Number.NaN, 101.5, 101.5, 104.5]);
  });
});

describe('smoothedMid', () => {
  const mid = [100, 101, 103, 102, 104, 108];

  it("is (mean of the next k − now)/now for base 'mid'", () => {
    const r = smoothedMid(mid, { horizon: 2 });
    expect([...r]).toEqual([
      (102 - 100) / 100,
      (102.5 - 101) / 101,
      (103 - 103) / 103,
      (106 - 102) / 102,
      Number.NaN,
      Number.NaN,
    ]);
  });

  it("is (mean of the next k − mean of the last k)/that for base 'past', now included in the past", () => {
    const r = smoothedMid(mid, { horizon: 2, base: 'past' });
    const expected = [
      Number.NaN,
      (102.5 - 100.5) / 100.5,
      (103 - 102) / 102,
      (106 - 102.5) / 102.5,
      Number.NaN,
      Number.NaN,
    ];
    for (let i = 0; i < mid.length; i++) {
      if (Number.isNaN(expected[i])) expect(r[i]).toBeNaN();
      else expect(r[i]).toBeCloseTo(expected[i], 15);
    }
  });

  it.each(['mid', 'past'] as const)('base %s agrees with plain means on a random walk', (base) => {
    const prices = walk(1, 500);
    const k = 37;
    const r = smoothedMid(prices, { horizon: k, base });
    const mean = (from: number, to: number) => prices.subarray(from, to).reduce((sum, p) => sum + p, 0) / (to - from);
    for (let i = 0; i < prices.length; i++) {
      const defined = i + k < prices.length && (base === 'mid' || i >= k - 1);
      expect(Number.isNaN(r[i])).toBe(!defined);
      if (!defined) continue;
      const held = base === 'mid' ? prices[i] : mean(i - k + 1, i + 1);
      expect(Math.abs(r[i] - (mean(i + 1, i + k + 1) - held) / held)).toBeLessThan(1e-13);
    }
  });

  it.each(['mid', 'past'] as const)('base %s is made of rows i − k + 1 … i + k alone, to the bit', (base) => {
    const k = 10;
    const prices = walk(2, 300);
    const r = smoothedMid(prices, { horizon: k, base });
    const kept = 150;
    const other = walk(3, 300);
    const future = Float64Array.from(prices, (p, i) => (i < kept ? p : other[i]));
    const past = Float64Array.from(prices, (p, i) => (i < kept ? other[i] : p));
    const withFuture = smoothedMid(future, { horizon: k, base });
    const withPast = smoothedMid(past, { horizon: k, base });
    for (let i = 0; i + k < kept; i++) expect(Object.is(withFuture[i], r[i])).toBe(true);
    for (let i = kept + (base === 'past' ? k - 1 : 0); i < 300; i++) expect(Object.is(withPast[i], r[i])).toBe(true);
    expect(withFuture.subarray(kept - k, kept)).not.toEqual(r.subarray(kept - k, kept));
  });

  it('is undefined where a mid is', () => {
    expect([...smoothedMid([Number.NaN, 100, 101, 102], { horizon: 1 })].map(Number.isNaN)).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect(smoothedMid([1, 2], { horizon: 5 }).every(Number.isNaN)).toBe(true);
    expect(smoothedMid([], { horizon: 5 })).toHaveLength(0);
  });

  it('refuses what it does not know', () => {
    expect(() => smoothedMid(mid, { horizon: 0 })).toThrow(/horizon/);
    expect(() => smoothedMid(mid, { horizon: 2, base: 'midd' as never })).toThrow(/did you mean 'mid'/);
    expect(() => smoothedMid(mid, { horizons: 2 } as never)).toThrow(/did you mean 'horizon'/);
  });
});

describe('fitThreshold and classify', () => {
  it('takes the tercile of |r|, linear between order statistics', () => {
    // |r| sorted 1, 2, 3, 4; the place of a third is (4 − 1)/3 = 1.
    expect(fitThreshold(Float64Array.of(-4, 1, Number.NaN, -2, 3), { start: 0, end: 5 })).toBe(2);
    // |r| sorted 1, 2, 5: the place is 2/3 of the way from 1 to 2.
    expect(fitThreshold(Float64Array.of(5, -2, 1), { start: 0, end: 3 })).toBeCloseTo(1 + 2 / 3, 15);
    expect(fitThreshold(Float64Array.of(0, 0, 0, 7), { start: 0, end: 4 })).toBe(0);
  });

  it('sees the given range alone', () => {
    const r = Float64Array.of(1, -2, 3, 100, -100, 100);
    const other = Float64Array.of(1, -2, 3, 0, 0, 0);
    expect(fitThreshold(r, { start: 0, end: 3 })).toBe(fitThreshold(other, { start: 0, end: 3 }));
    expect(fitThreshold(r, { start: 0, end: 6 })).not.toBe(fitThreshold(other, { start: 0, end: 6 }));
  });

  it('puts what equals the threshold into flat', () => {
    expect([...classify([-2, -1.5, 0, 1.5, 2, Number.NaN], 1.5)]).toEqual([0, 1, 1, 1, 2, -1]);
    expect([...classify([-1e-9, 0, 1e-9], 0)]).toEqual([0, 1, 2]);
    expect(() => classify([1], Number.NaN)).toThrow(/threshold/);
  });

  it('fails where no label is defined', () => {
    expect(() => fitThreshold(Float64Array.of(Number.NaN, Number.NaN), { start: 0, end: 2 })).toThrow(
      /no label is defined in rows 0 to 1/,
    );
    expect(() => fitThreshold(Float64Array.of(1), { start: 0, end: 2 })).toThrow(/range.end/);
  });
});

describe('makeLabels', () => {
  it('fits each horizon on the train rows: the test rows change nothing', () => {
    const prices = walk(5, 1000);
    const train = { start: 0, end: 600 };
    const labels = makeLabels(prices, { horizons: [5, 20], train });
    const other = walk(6, 1000);
    const changed = makeLabels(
      prices.map((p, i) => (i < 640 ? p : other[i])),
      { horizons: [5, 20], train },
    );
    for (const h of [0, 1]) {
      expect(changed[h].threshold).toBe(labels[h].threshold);
      expect(changed[h].classes.subarray(0, 600)).toEqual(labels[h].classes.subarray(0, 600));
      const counts = countClasses(labels[h].classes, train);
      expect(Math.abs(counts[1] - 200)).toBeLessThan(60);
    }
  });

  it('says so where train has one class only', () => {
    const still = new Float64Array(100).fill(100);
    expect(() => makeLabels(still, { horizons: [5], train: { start: 0, end: 60 } })).toThrow(
      /labels of horizon 5 in rows 0 to 59 are all 'flat'/,
    );
  });
});

describe('lastMoveGuess', () => {
  it('classifies the past return with the same threshold, flat where there is no past', () => {
    const mid = [100, 100, 102, 101, 101, 101];
    expect([...pastReturn(mid, 2)]).toEqual([Number.NaN, Number.NaN, 0.02, 0.01, (101 - 102) / 102, 0]);
    expect([...lastMoveGuess(mid, { horizon: 2, threshold: 0.009 })]).toEqual([1, 1, 2, 2, 0, 1]);
  });
});
