import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decimalsOf, scaledDecimal } from '../../src/market/decimal.js';
import { EMPTY_ASK_PRICE, EMPTY_BID_PRICE } from '../../src/market/events.js';
import { PriceLevels } from '../../src/market/price-levels.js';

/** The levels of a plain map, best first. */
function best(map: Map<number, number>, side: 1 | -1, top?: { price: number; size: number }): [number, number][] {
  const levels = [...map].filter(([price]) => top === undefined || side * price < side * top.price);
  levels.sort(([a], [b]) => side * (b - a));
  return top === undefined ? levels : [[top.price, top.size], ...levels];
}

test.each([1, -1] as const)('keeps one side as a plain map does, side %d', (side) => {
  const change = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 5 }));
  const top = fc.option(fc.record({ price: fc.integer({ min: 1, max: 60 }), size: fc.constant(9) }), {
    nil: undefined,
  });
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 150 }),
      fc.integer({ min: 1, max: 70 }),
      top,
      (changes, levels, newer) => {
        const side1 = new PriceLevels(side);
        const map = new Map<number, number>();
        for (const [price, size] of changes) {
          side1.set(price, size);
          if (size === 0) map.delete(price);
          else map.set(price, size);
        }
        const prices = new Int32Array(levels + 2).fill(-7);
        const sizes = new Int32Array(levels + 2).fill(-7);
        side1.read(prices, sizes, 1, levels, newer);
        const expected = best(map, side, newer).slice(0, levels);
        while (expected.length < levels) expected.push([side > 0 ? EMPTY_BID_PRICE : EMPTY_ASK_PRICE, 0]);
        expect([...prices.subarray(1, levels + 1)].map((price, l) => [price, sizes[l + 1]])).toEqual(expected);
        expect([prices[0], prices[levels + 1], sizes[0], sizes[levels + 1]]).toEqual([-7, -7, -7, -7]);
        expect(side1.length).toBe(map.size);
        const [first] = best(map, side);
        expect([side1.bestPrice, side1.bestSize]).toEqual(first ?? [side > 0 ? EMPTY_BID_PRICE : EMPTY_ASK_PRICE, 0]);
      },
    ),
  );
});

test('holds thousands of levels', () => {
  const bids = new PriceLevels(1);
  for (let price = 5000; price > 0; price--) bids.set(price, price);
  for (let price = 1; price <= 5000; price += 2) bids.set(price, 0);
  expect([bids.length, bids.bestPrice, bids.bestSize]).toEqual([2500, 5000, 5000]);
  bids.clear();
  expect([bids.length, bids.bestPrice]).toEqual([0, EMPTY_BID_PRICE]);
});

test.each([
  ['61800.20', 1, 618002],
  ['61800.20', 2, 6180020],
  ['61800', 2, 6180000],
  ['0.00000', 3, 0],
  ['0.1', 8, 10_000_000],
  ['61800.25', 1, Number.NaN],
  ['', 1, Number.NaN],
  ['.5', 1, Number.NaN],
  ['5.', 1, Number.NaN],
  ['-5', 1, Number.NaN],
  ['1e5', 1, Number.NaN],
  ['1.2.3', 3, Number.NaN],
  ['NaN', 1, Number.NaN],
])('%j in 10^−%d is %d', (text, decimals, value) => {
  expect(scaledDecimal(text, decimals)).toBe(value);
});

test.each([
  ['61800.20', 1],
  ['5', 0],
  ['5.000', 0],
  ['0.00100', 3],
])('%j needs %d decimals', (text, decimals) => {
  expect(decimalsOf(text)).toBe(decimals);
});
