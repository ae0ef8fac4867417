import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MatchingBook, NONE } from '../../../src/market/synthetic/matching-book.js';

interface Resting {
  order: number;
  side: number;
  tick: number;
  size: number;
}

/** The orders of a side in the order in which they are matched: best price first, then first come first served. */
function priority(orders: Resting[], side: number): Resting[] {
  return orders.filter((o) => o.side === side).sort((a, b) => side * (b.tick - a.tick) || a.order - b.order);
}

describe('MatchingBook', () => {
  test('keeps price-time priority, levels, volumes and lists, compared with a sorted array', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            rests: fc.boolean(),
            bid: fc.boolean(),
            offset: fc.nat(6),
            size: fc.integer({ min: 1, max: 9 }),
            pick: fc.nat(999),
          }),
          { minLength: 1, maxLength: 200, size: 'max' },
        ),
        (steps) => {
          const book = new MatchingBook(100, 200);
          let orders: Resting[] = [];
          for (const { rests, bid, offset, size, pick } of steps) {
            const side = bid ? 1 : -1;
            if (rests || orders.length === 0) {
              const opposite = priority(orders, -side)[0]?.tick ?? 50;
              const tick = opposite - side * (1 + offset);
              if (tick < 0 || tick >= 100) continue;
              const order = book.rest(side, tick, size);
              expect(order).toBe(Math.max(-1, ...orders.map((o) => o.order), order - 1) + 1);
              orders.push({ order, side, tick, size });
            } else {
              const target = orders[pick % orders.length];
              const taken = Math.min(size, target.size);
              book.reduce(target.order, taken);
              target.size -= taken;
              orders = orders.filter((o) => o.size > 0);
            }
            for (const s of [1, -1]) {
              const queue = priority(orders, s);
              expect(book.front(s)).toBe(queue[0]?.order ?? NONE);
              expect(s > 0 ? book.bestBid : book.bestAsk).toBe(queue[0]?.tick ?? (s > 0 ? -1 : 100));
              expect(book.count(s)).toBe(queue.length);
              const live = Array.from({ length: queue.length }, (_, i) => book.live(s, i));
              expect(live.sort((a, b) => a - b)).toEqual(queue.map((o) => o.order).sort((a, b) => a - b));
              const levels = new Map<number, number>();
              for (const o of queue) levels.set(o.tick, (levels.get(o.tick) ?? 0) + o.size);
              expect(book.levels(s)).toBe(levels.size);
              const seen: [number, number][] = [];
              book.eachLevel(s, 3, (level, tick, volume) => {
                expect(level).toBe(seen.length);
                seen.push([tick, volume]);
              });
              expect(seen).toEqual([...levels].slice(0, 3));
              for (let i = 0; i + 1 < queue.length; i++) {
                const next = queue[i + 1].tick === queue[i].tick ? queue[i + 1].order : NONE;
                expect(book.behind(queue[i].order)).toBe(next);
              }
            }
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});
