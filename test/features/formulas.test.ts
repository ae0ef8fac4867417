import { describe, expect, it } from 'vitest';
import {
  computeFeatures,
  defaultFeatures,
  type FeatureDefinition,
  type FeatureSet,
  FeatureStream,
  featureMemory,
  featureNames,
} from '../../src/features/index.js';
import { EMPTY_ASK_PRICE, EMPTY_BID_PRICE, EventType } from '../../src/market/events.js';
import { emptyEvents, emptySnapshots, randomSession } from './random-session.js';

const log1p = Math.log1p;

/**
 * Four events on a book of two levels, tick 100:
 *   0  buy order 30 added at 10000         asks 10200×50, 10300×10   bids 10000×30, 9900×20    mid 10100
 *   1  sell order executed, 20 at 10200    asks 10200×30, 10300×10   bids 10000×30, 9900×20    mid 10100
 *   2  the rest of it executed, 30         asks 10300×10, none       bids 10000×30, 9900×20    mid 10150
 *   3  bid deleted, 30 at 10000            asks 10300×10, none       bids  9900×20, none       mid 10100
 */
function session() {
  const events = emptyEvents(4);
  events.timeNs.set([1_000_000n, 1_500_000n, 1_500_000n, 3_500_000n]);
  events.type.set([EventType.add, EventType.execute, EventType.executeHidden, EventType.delete]);
  events.side.set([1, -1, -1, 1]);
  events.price.set([10000, 10200, 10200, 10000]);
  events.size.set([30, 20, 30, 30]);
  const books = emptySnapshots(4, 2);
  books.askPrice.set([10200, 10300, 10200, 10300, 10300, EMPTY_ASK_PRICE, 10300, EMPTY_ASK_PRICE]);
  books.askSize.set([50, 10, 30, 10, 10, 0, 10, 0]);
  books.bidPrice.set([10000, 9900, 10000, 9900, 10000, 9900, 9900, EMPTY_BID_PRICE]);
  books.bidSize.set([30, 20, 30, 20, 30, 20, 20, 0]);
  return { events, books };
}

/** The rows of one feature. */
function rowsOf(definition: FeatureDefinition): number[][] {
  const { events, books } = session();
  const { values, columns, rows } = computeFeatures(events, books, { tickSize: 100 }, [definition]);
  return Array.from({ length: rows }, (_, i) => [...values.subarray(i * columns, (i + 1) * columns)]);
}

describe('each feature, computed by hand', () => {
  const cases: [FeatureDefinition, number[][]][] = [
    [
      { name: 'levels', params: { to: 2 } },
      [
        [log1p(1), log1p(50), -log1p(1), log1p(30), log1p(2), log1p(10), -log1p(2), log1p(20)],
        [log1p(1), log1p(30), -log1p(1), log1p(30), log1p(2), log1p(10), -log1p(2), log1p(20)],
        [log1p(1.5), log1p(10), -log1p(1.5), log1p(30), log1p(1.5), 0, -log1p(2.5), log1p(20)],
        [log1p(2), log1p(10), -log1p(2), log1p(20), log1p(2), 0, -log1p(2), 0],
      ],
    ],
    [{ name: 'spread' }, [[log1p(2)], [log1p(2)], [log1p(3)], [log1p(4)]]],
    // w − m: (30 − 50)/80·1, 0, (30 − 10)/40·1.5, (20 − 10)/30·2 ticks.
    [{ name: 'microprice' }, [[-log1p(0.25)], [0], [log1p(0.75)], [log1p(2 / 3)]]],
    [{ name: 'imbalance', params: { from: 1, to: 1 } }, [[-0.25], [0], [0.5], [1 / 3]]],
    [{ name: 'imbalance', params: { from: 1, to: 2 } }, [[-10 / 110], [10 / 90], [40 / 60], [1 / 3]]],
    [{ name: 'imbalance', params: { from: 2, to: 2 } }, [[1 / 3], [1 / 3], [1], [0]]],
    [
      { name: 'depth', params: { to: 2 } },
      [
        [log1p(60), log1p(50)],
        [log1p(40), log1p(50)],
        [log1p(10), log1p(50)],
        [log1p(10), log1p(20)],
      ],
    ],
    // e: 0; the ask queue falls 50 → 30: +20; the ask rises, 30 gone: +30; the bid falls, 30 gone: −30.
    [
      { name: 'order_flow_imbalance', params: { from: 1, to: 1, events: 1 } },
      [[0], [log1p(20)], [log1p(30)], [-log1p(30)]],
    ],
    [{ name: 'order_flow_imbalance', params: { from: 1, to: 1, events: 2 } }, [[0], [log1p(20)], [log1p(50)], [0]]],
    // Level 2: 0; 0; the ask 10300×10 moves up to level 1: +10; the bid 9900×20 moves up to level 1: −20.
    [{ name: 'order_flow_imbalance', params: { from: 2, to: 2, events: 1 } }, [[0], [0], [log1p(10)], [-log1p(20)]]],
    [
      { name: 'order_flow_imbalance', params: { from: 1, to: 2, events: 9 } },
      [[0], [log1p(20)], [log1p(60)], [log1p(10)]],
    ],
    [{ name: 'trade_imbalance', params: { events: 1 } }, [[0], [log1p(20)], [log1p(30)], [0]]],
    [{ name: 'trade_imbalance', params: { events: 2 } }, [[0], [log1p(20)], [log1p(50)], [log1p(30)]]],
    [{ name: 'mid_change', params: { events: 1 } }, [[0], [0], [log1p(0.5)], [-log1p(0.5)]]],
    [{ name: 'past_return', params: { events: 1 } }, [[0], [0], [1e4 * (50 / 10100)], [1e4 * (-50 / 10150)]]],
    [{ name: 'past_return', params: { events: 2 } }, [[0], [0], [1e4 * (50 / 10100)], [0]]],
    // Means of the last 2 mids: 10100, 10100, 10125, 10125.
    [{ name: 'mid_deviation', params: { events: 2 } }, [[0], [0], [log1p(0.25)], [-log1p(0.25)]]],
    [
      { name: 'last_move' },
      [
        [0, 0],
        [0, log1p(1)],
        [log1p(0.5), 0],
        [-log1p(0.5), 0],
      ],
    ],
    [{ name: 'volatility', params: { events: 1 } }, [[0], [0], [log1p(0.5)], [log1p(0.5)]]],
    [{ name: 'volatility', params: { events: 3 } }, [[0], [0], [log1p(0.5)], [log1p(Math.SQRT1_2)]]],
    // (0.25, −0.25 ticks)/√(sum of squares 0.25, 0.5).
    [{ name: 'mid_score', params: { events: 2 } }, [[0], [0], [0.5], [-0.25 / Math.SQRT1_2]]],
    [{ name: 'time_gap' }, [[0], [log1p(500)], [0], [log1p(2000)]]],
    // The mid and the ask changed in row 2, the mid and the bid in row 3; bought in rows 1 and 2.
    [
      { name: 'ages' },
      [
        [0, 0, 0, 0, 0],
        [log1p(500), log1p(500), log1p(500), 0, log1p(500)],
        [0, 0, log1p(500), 0, log1p(500)],
        [0, log1p(2000), 0, log1p(2000), log1p(2500)],
      ],
    ],
    // Events since the row n before and the time it took: 1/0.5 ms, 2/0.5 ms, 2/2 ms.
    [{ name: 'intensity', params: { events: 2 } }, [[0], [log1p(2000)], [log1p(4000)], [log1p(1000)]]],
    [
      { name: 'event' },
      [
        [log1p(30), 0, 0, log1p(1)],
        [0, 0, log1p(20), log1p(1)],
        [0, 0, log1p(30), log1p(0.5)],
        [0, -log1p(30), 0, log1p(1)],
      ],
    ],
  ];
  it.each(cases)('%j', (definition, expected) => {
    const actual = rowsOf(definition);
    expect(actual).toHaveLength(4);
    actual.forEach((row, i) => {
      expect(row, `row ${i}`).toHaveLength(expected[i].length);
      row.forEach((value, c) => {
        expect(value, `row ${i}, column ${c}`).toBeCloseTo(expected[i][c], 5);
      });
    });
  });
});

describe('a feature set', () => {
  it('has 89 columns by default, fewer for a flat book', () => {
    expect(featureNames(defaultFeatures(), 10)).toHaveLength(89);
    for (const levels of [1, 2, 3, 4, 7, 20]) {
      const names = featureNames(defaultFeatures(levels), levels);
      expect(new Set(names).size).toBe(names.length);
    }
    expect(featureMemory(defaultFeatures())).toBe(100);
  });

  it('names its columns by stem, levels and window', () => {
    const set: FeatureSet = [
      { name: 'levels', params: { from: 2, to: 2 } },
      { name: 'imbalance', params: { from: 1, to: 5 } },
      { name: 'order_flow_imbalance', params: { from: 1, to: 1, events: 50 } },
      { name: 'past_return', params: { events: 10 } },
    ];
    expect(featureNames(set, 5)).toEqual([
      'ask_price_2',
      'ask_size_2',
      'bid_price_2',
      'bid_size_2',
      'imbalance_1_5',
      'order_flow_imbalance_1_over_50',
      'past_return_over_10',
    ]);
  });

  it('survives JSON', () => {
    const set = defaultFeatures(3);
    expect(featureNames(JSON.parse(JSON.stringify(set)), 3)).toEqual(featureNames(set, 3));
  });

  it.each<[string, unknown, RegExp]>([
    ['an empty set', [], /non-empty list/],
    ['no list', { name: 'spread' }, /non-empty list/],
    ['a misspelt name', [{ name: 'spred' }], /did you mean 'spread'.* for features\[0\]\.name/],
    ['a name of nothing', [{ name: 'wavelet_energy' }], /one of levels, spread/],
    [
      'a parameter it does not take',
      [{ name: 'spread', params: { events: 5 } }],
      /'spread' has no parameter 'events'; it takes no parameters/,
    ],
    ['a misspelt parameter', [{ name: 'depth', params: { too: 5 } }], /no parameter 'too'; it takes from, to/],
    [
      'a level beyond the book',
      [{ name: 'depth', params: { to: 6 } }],
      /between 1 and 5 for features\[0\]\.params\.to but received 6/,
    ],
    ['levels the wrong way round', [{ name: 'depth', params: { from: 3, to: 2 } }], /between 3 and 5/],
    ['no window', [{ name: 'volatility' }], /features\[0\]\.params\.events/],
    ['a window of no events', [{ name: 'volatility', params: { events: 0 } }], /between 1 and 65536/],
    ['a window too long', [{ name: 'volatility', params: { events: 65537 } }], /between 1 and 65536/],
    ['a column twice', [{ name: 'spread' }, { name: 'spread' }], /column 'spread' twice/],
  ])('is refused: %s', (_, set, message) => {
    expect(() => featureNames(set as FeatureSet, 5)).toThrow(message);
    expect(() => new FeatureStream(set as FeatureSet, { tickSize: 1 }, 5)).toThrow(message);
  });
});

describe('bad input', () => {
  const { events, snapshots } = randomSession(1, 20, 2);
  const set = defaultFeatures(2);
  const tick = { tickSize: 100 };

  it('names what does not fit', () => {
    const shorter = { ...snapshots, length: 19 };
    expect(() => computeFeatures(events, shorter, tick, set)).toThrow(/20 events and 19 books/);
    expect(() => computeFeatures(events, snapshots, { tickSize: 0 }, set)).toThrow(/instrument.tickSize/);
    expect(() => computeFeatures(events, snapshots, undefined as never, set)).toThrow(/instrument/);
    const cut = { ...snapshots, bidSize: snapshots.bidSize.subarray(1) };
    expect(() => computeFeatures(events, cut, tick, set)).toThrow(
      /expected Int32Array\(40\) for 'bidSize' but received Int32Array\(39\)/,
    );
    const wrong = { ...events, size: new Float32Array(20) as never };
    expect(() => computeFeatures(wrong, snapshots, tick, set)).toThrow(
      /Int32Array\(20\) for 'size' but received Float32Array\(20\)/,
    );
    const shared = { ...events, size: new Int32Array(new SharedArrayBuffer(80)) };
    expect(() => computeFeatures(shared, snapshots, tick, set)).toThrow(/plain memory for size/);
    const gone = events.price.slice();
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    expect(() => computeFeatures({ ...events, price: gone }, snapshots, tick, set)).toThrow(
      /Int32Array\(20\) for 'price'/,
    );
  });

  it('of a stream is refused without harm to its state', () => {
    const stream = new FeatureStream(set, tick, 2);
    const book = {
      askPrice: Int32Array.of(200, 300),
      askSize: Int32Array.of(5, 6),
      bidPrice: Int32Array.of(100, 50),
      bidSize: Int32Array.of(7, 8),
    };
    const event = { timeNs: 5n, type: 1, side: 1, price: 100, size: 7 };
    expect(() => stream.push({ ...event, timeNs: 5 as never }, book)).toThrow(/bigint of nanoseconds/);
    expect(() => stream.push(event, { ...book, askSize: Int32Array.of(1) })).toThrow(/book.askSize/);
    expect(() => stream.push(event, {} as never)).toThrow(/book.askPrice/);
    expect(() => stream.push(event, { ...book, bidPrice: [100, 50] as never })).toThrow(/book.bidPrice/);
    expect(() => stream.push({ ...event, price: 100.5 }, book)).toThrow(/32-bit integer for event.price.* 100\.5/);
    expect(() => stream.push({ ...event, size: 2 ** 31 }, book)).toThrow(/event.size/);
    expect(() => stream.push({ ...event, type: Number.NaN }, book)).toThrow(/event.type/);
    expect(() => stream.push({ ...event, side: undefined as never }, book)).toThrow(/event.side/);
    expect(() => stream.push(event, book, new Float32Array(3))).toThrow(/'out' but received Float32Array\(3\)/);
    expect(stream.push(event, book)).toEqual(new FeatureStream(set, tick, 2).push(event, book));
    const out = new Float32Array(stream.columns);
    expect(stream.push(event, book, out)).toBe(out);
  });
});
