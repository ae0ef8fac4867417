import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MarketEvent } from '../../src/book/event-error.js';
import { OrderBook } from '../../src/book/order-book.js';
import { emptySnapshots } from '../../src/book/rebuild.js';
import { FlashbookError } from '../../src/core/errors.js';
import { EventType } from '../../src/market/events.js';
import { eventFor, type Intent, PlainBook, rowOf } from './plain-book.js';

const intents = (maxLength: number): fc.Arbitrary<Intent[]> =>
  fc.array(
    fc.record({
      kind: fc.nat(99),
      bid: fc.boolean(),
      offset: fc.oneof(fc.nat(5), fc.nat(60)),
      size: fc.integer({ min: 1, max: 500 }),
      pick: fc.nat(9999),
    }),
    { minLength: 1, maxLength, size: 'max' },
  );

describe('OrderBook', () => {
  test('agrees with the plain book after every event, faults included', () => {
    const faults = new Set<string>();
    fc.assert(
      fc.property(intents(300), fc.constantFrom(1, 3, 10), (stream, levels) => {
        using native = new OrderBook({ levels });
        const plain = new PlainBook();
        const out = emptySnapshots(1, levels);
        stream.forEach((intent, i) => {
          const event = eventFor(intent, plain, BigInt(i), BigInt(1 + i), true);
          const fault = plain.apply(event);
          faults.add(fault);
          if (fault === 'none') {
            native.apply(event);
          } else {
            let error: unknown;
            try {
              native.apply(event);
            } catch (e) {
              error = e;
            }
            expect(error).toBeInstanceOf(FlashbookError);
            expect((error as FlashbookError).details).toMatchObject({ fault, row: i + 1, file: 'events' });
          }
          expect(rowOf(native.snapshot(out), 0)).toEqual(plain.row(levels));
        });
        expect(native.orders).toBe(plain.orders.size);
        for (const side of [1, -1] as const) expect(native.levelCount(side)).toBe(plain.levels(side).length);
        for (const id of [...plain.orders.keys(), 123_456n]) expect(native.queueAhead(id)).toBe(plain.queueAhead(id));
      }),
      { numRuns: 60 },
    );
    // The streams must have met every fault that a whole feed can have but the overflow, which is tested below.
    expect([...faults].sort()).toEqual(
      [
        'badPrice',
        'badSize',
        'crossed',
        'duplicateOrder',
        'lessThanOrder',
        'moreThanLevel',
        'moreThanOrder',
        'none',
        'orderDiffers',
        'timeBack',
        'unknownType',
      ].sort(),
    );
  });

  test('many orders, ids far apart, most of them deleted again', () => {
    using native = new OrderBook({ levels: 5 });
    const plain = new PlainBook();
    const id = (i: number): bigint => BigInt.asIntN(64, BigInt(i) * 0x9e3779b97f4a7c15n);
    let time = 0n;
    const both = (event: Omit<MarketEvent, 'timeNs'>): void => {
      const timed = { ...event, timeNs: time++ };
      expect(plain.apply(timed)).toBe('none');
      native.apply(timed);
    };
    for (let i = 0; i < 3000; i++) {
      const side = i % 2 === 0 ? 1 : -1;
      both({ type: EventType.add, orderId: id(i), side, price: 5000 - side * (1 + (i % 300)), size: 1 + (i % 9) });
      if (i % 3 === 2) {
        const gone = i - (i % 5) - 1;
        const order = plain.orders.get(id(gone));
        if (order !== undefined) both({ type: EventType.delete, orderId: id(gone), ...order });
      }
    }
    expect(native.orders).toBe(plain.orders.size);
    expect(rowOf(native.snapshot(), 0)).toEqual(plain.row(5));
    const bytes = native.memory().bytes;
    expect(bytes).toBeGreaterThan(plain.orders.size * 32);
    for (const [orderId, order] of [...plain.orders]) both({ type: EventType.delete, orderId, ...order });
    expect(native.orders).toBe(0);
    expect(rowOf(native.snapshot(), 0)).toEqual(new PlainBook().row(5));
  });

  const add: MarketEvent = { timeNs: 5n, type: EventType.add, orderId: 7n, side: 1, price: 100, size: 10 };

  test.each<[string, Partial<MarketEvent>, RegExp]>([
    ['time going back', { timeNs: 4n }, /feed, row 2: time goes back: 4 ns after 5 ns/],
    ['unknown type', { type: 0 }, /expected an event type from 1 to 7, found 0/],
    ['a type that would wrap to another', { type: 257 }, /expected an event type from 1 to 7/],
    ['a side that is none', { orderId: 8n, side: 0 }, /expected side 1 \(bid\) or -1 \(ask\), found 0/],
    ['a side that would wrap to another', { orderId: 8n, side: 257 }, /expected side 1/],
    ['size zero', { orderId: 8n, size: 0 }, /expected a positive size, found 0/],
    ['a negative size', { orderId: 8n, size: -3 }, /expected a positive size, found -3/],
    ['price zero', { orderId: 8n, price: 0 }, /expected a price from 1 to 2147483646, found 0/],
    ['the price of an empty level', { orderId: 8n, price: 0x7fffffff }, /expected a price from 1/],
    ['an id twice', {}, /order 7 is added although it is in the book already/],
    [
      'a crossed book',
      { orderId: 8n, side: -1, price: 99 },
      /order 8 at ask level 99 would cross the book: the best bid is 100/,
    ],
    ['a locked book', { orderId: 8n, side: -1 }, /would cross the book/],
    [
      'another price than the order has',
      { type: 3, price: 101 },
      /order 7 rests at price 100, but the event says bid level 101/,
    ],
    ['more than the order holds', { type: 4, size: 11 }, /takes 11 from order 7, which holds 10/],
    ['a deletion of a part', { type: 3, size: 9 }, /order 7 is deleted with size 9, but holds 10/],
    [
      'an unknown order',
      { type: 3, orderId: 9n, size: 3 },
      /order 9 is unknown and takes 3 from bid level 100, where unknown orders hold 0/,
    ],
    ['a level beyond 32 bits', { orderId: 8n, size: 0x7fffffff }, /would hold 10 \+ 2147483647/],
  ])('refuses %s and stays as it was', (_, change, message) => {
    using book = new OrderBook({ levels: 2, source: 'feed' });
    book.apply(add);
    const before = rowOf(book.snapshot(), 0);
    let error: unknown;
    try {
      book.apply({ ...add, ...change });
    } catch (e) {
      error = e;
    }
    expect(error).toMatchObject({ code: 'DATA', message: expect.stringMatching(message) });
    expect(rowOf(book.snapshot(), 0)).toEqual(before);
    book.apply({ ...add, orderId: 99n });
    expect(book.queueAhead(99n)).toBe(10);
  });

  test('numbers that are no int32 are refused, not wrapped', () => {
    using book = new OrderBook();
    for (const change of [
      { price: 2 ** 32 + 5 },
      { size: 1.5 },
      { size: Number.NaN },
      { type: Number.POSITIVE_INFINITY },
    ]) {
      expect(() => book.apply({ ...add, ...change })).toThrow(/32-bit integers/);
    }
    expect(() => book.apply({ ...add, timeNs: 5 as never })).toThrow(TypeError);
    expect(book.orders).toBe(0);
  });

  test('options, wrong snapshots, disposal', () => {
    expect(() => new OrderBook({ levles: 3 } as never)).toThrow(/did you mean 'levels'/);
    expect(() => new OrderBook({ levels: 0 })).toThrow(/levels/);
    const book = new OrderBook({ levels: 2 });
    expect(() => book.snapshot(emptySnapshots(1, 3))).toThrow(/out\.levels/);
    expect(() => book.snapshot(emptySnapshots(1, 2), 1)).toThrow(/out row/);
    expect(() => book.snapshot({ ...emptySnapshots(1, 2), askSize: new Int32Array(1) })).toThrow(/out\.askSize/);
    expect(() => book.observe(emptySnapshots(1, 2), 0)).toThrow(/option seed/);
    book.dispose();
    book.dispose();
    expect(() => book.snapshot()).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
    expect(book.memory()).toEqual({ bytes: 0 });
  });
});
