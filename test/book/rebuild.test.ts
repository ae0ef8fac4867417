import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MarketEvent } from '../../src/book/event-error.js';
import { OrderBook } from '../../src/book/order-book.js';
import { emptySnapshots, rebuildBook } from '../../src/book/rebuild.js';
import type { BookSnapshots, EventBatch, MarketSession } from '../../src/market/events.js';
import { EMPTY_ASK_PRICE, EMPTY_BID_PRICE, EventType } from '../../src/market/events.js';
import { readLobster } from '../../src/market/lobster.js';
import { syntheticSession } from '../../src/market/synthetic/session.js';
import { AAPL_CSV, AAPL_ZIP, GOOG_ZIP } from '../data.js';
import { batchOf, eventFor, type Intent, PlainBook, rowOf, snapshotsOf } from './plain-book.js';

function sessionOf(events: MarketEvent[], reference?: BookSnapshots): MarketSession {
  const instrument = { symbol: 'X', venue: 'test', priceUnit: 1, sizeUnit: 1, tickSize: 1 };
  return { instrument, events: batchOf(events), source: 'stream', ...(reference === undefined ? {} : { reference }) };
}

/** Byte for byte: toEqual() on columns of this length takes seconds. */
function expectSameBooks(actual: BookSnapshots, expected: BookSnapshots): void {
  for (const column of ['askPrice', 'askSize', 'bidPrice', 'bidSize'] as const) {
    expect(actual[column].length).toBe(expected[column].length);
    expect(Buffer.compare(Buffer.from(actual[column].buffer), Buffer.from(expected[column].buffer))).toBe(0);
  }
}

/** The whole story of a book, and what a view of `levels` levels is told of it from row `start` on. */
function viewOf(
  stream: Intent[],
  start: number,
  levels: number,
): { events: MarketEvent[]; rows: number[][][]; taken: number } {
  const book = new PlainBook();
  const events: MarketEvent[] = [];
  const rows: number[][][] = [];
  let taken = 0;
  stream.forEach((intent, i) => {
    const event = eventFor(intent, book, BigInt(i), BigInt(1 + i), false);
    const inView = (): boolean =>
      book
        .levels(event.side)
        .slice(0, levels)
        .some((level) => level.price === event.price);
    const before = book.row(levels);
    const wasInView = inView();
    if (book.apply(event) !== 'none') throw new Error('the stream must be sound');
    if (i < start || !(wasInView || inView() || event.type >= EventType.executeHidden)) return;
    const after = book.row(levels);
    if (events.length > 0) {
      // A price that was not in view and was not brought by the event has come from beyond.
      for (const k of [0, 2]) {
        const came = after[k].filter((p) => !before[k].includes(p) && p !== EMPTY_ASK_PRICE && p !== EMPTY_BID_PRICE);
        taken += came.filter((price) => !(event.type === EventType.add && price === event.price)).length;
      }
    }
    events.push(event);
    rows.push(after);
  });
  return { events, rows, taken };
}

const intents = (minLength: number, maxLength: number): fc.Arbitrary<Intent[]> =>
  fc.array(
    fc.record({
      kind: fc.nat(99),
      bid: fc.boolean(),
      offset: fc.oneof(fc.nat(5), fc.nat(40)),
      size: fc.integer({ min: 1, max: 500 }),
      pick: fc.nat(9999),
    }),
    { minLength, maxLength, size: 'max' },
  );

describe('rebuildBook of a whole feed', () => {
  test('agrees with the plain book in every row', () => {
    fc.assert(
      fc.property(intents(1, 300), fc.constantFrom(1, 4, 10), (stream, levels) => {
        const plain = new PlainBook();
        const rows: number[][][] = [];
        const events = stream.map((intent, i) => {
          const event = eventFor(intent, plain, BigInt(i), BigInt(1 + i), false);
          plain.apply(event);
          rows.push(plain.row(levels));
          return event;
        });
        const { snapshots, ...counts } = rebuildBook(sessionOf(events), { levels });
        expect(snapshots).toEqual(snapshotsOf(rows, levels));
        expect(counts).toEqual({
          checked: false,
          levelsTaken: 0,
          mismatches: 0,
          firstMismatch: undefined,
          beyondView: 0,
        });
      }),
      { numRuns: 60 },
    );
  });

  test('agrees with the matching book of the synthetic exchange in every row', () => {
    const { reference, ...session } = syntheticSession({ seed: 3, events: 20_000, referenceLevels: 10 });
    const { snapshots } = rebuildBook(session);
    expectSameBooks(snapshots, reference!);
  });

  test('fills snapshots that it is given, and refuses those that do not fit', () => {
    const session = syntheticSession({ events: 500 });
    const { snapshots } = rebuildBook(session, { levels: 3 });
    const out = emptySnapshots(500, 3);
    expect(rebuildBook(session, { out }).snapshots).toBe(out);
    expectSameBooks(out, snapshots);
    expect(() => rebuildBook(session, { out: emptySnapshots(499, 3) })).toThrow(/500 rows × 3 levels/);
    expect(() => rebuildBook(session, { out, levels: 4 })).toThrow(/500 rows × 4 levels/);
    expect(() => rebuildBook(session, { out: { ...out, askSize: new Int32Array(7) } })).toThrow(/askSize/);
  });

  test('an empty session, and one event', () => {
    expect(rebuildBook(sessionOf([])).snapshots.length).toBe(0);
    const one = sessionOf([{ timeNs: 0n, type: 7, orderId: 0n, side: -1, price: -1, size: 0 }]);
    expect(rowOf(rebuildBook(one, { levels: 1 }).snapshots, 0)).toEqual([
      [EMPTY_ASK_PRICE],
      [0],
      [EMPTY_BID_PRICE],
      [0],
    ]);
  });

  test('names file, row and value of the event that it refuses', () => {
    const add: MarketEvent = { timeNs: 1n, type: 1, orderId: 1n, side: 1, price: 100, size: 10 };
    const crossing = { ...add, orderId: 2n, side: -1 };
    expect(() => rebuildBook(sessionOf([add, crossing]))).toThrow(
      expect.objectContaining({
        code: 'DATA',
        message: 'stream, row 2: order 2 at ask level 100 would cross the book: the best bid is 100',
        details: expect.objectContaining({ file: 'stream', row: 2, column: 'price', value: 100 }),
      }),
    );
    expect(() => rebuildBook(sessionOf([add, { ...add, orderId: 2n, timeNs: 0n }]))).toThrow(/row 2: time goes back/);
  });
});

describe('rebuildBook of a view', () => {
  test('agrees with the whole book in every row and counts what came from beyond', () => {
    let allTaken = 0;
    fc.assert(
      fc.property(intents(60, 400), fc.constantFrom(1, 2, 5), (stream, levels) => {
        const { events, rows, taken } = viewOf(stream, 50, levels);
        if (events.length === 0) return;
        const reference = snapshotsOf(rows, levels);
        const built = rebuildBook(sessionOf(events, reference), { levels });
        expect(built).toMatchObject({ checked: true, mismatches: 0, levelsTaken: taken, beyondView: 0 });
        expect(built.snapshots).toEqual(reference);
        allTaken += taken;
      }),
      { numRuns: 150, endOnFailure: true },
    );
    expect(allTaken).toBeGreaterThan(20);
  });

  test('the streaming book does the same', () => {
    fc.assert(
      fc.property(intents(60, 300), fc.constantFrom(1, 3), (stream, levels) => {
        const { events, rows, taken } = viewOf(stream, 50, levels);
        if (events.length === 0) return;
        const books = snapshotsOf(rows, levels);
        using book = new OrderBook({ levels, seed: { books, event: events[0] } });
        let counted = 0;
        events.forEach((event, i) => {
          if (i > 0) {
            book.apply(event);
            const found = book.observe(books, i);
            expect(found.mismatches).toBe(0);
            counted += found.taken;
          }
          expect(rowOf(book.snapshot(), 0)).toEqual(rows[i]);
        });
        expect(counted).toBe(taken);
      }),
      { numRuns: 50 },
    );
  });

  test('any cell of the reference that is wrong is found', () => {
    const session = syntheticSession({ seed: 5, events: 3000, referenceLevels: 5 });
    const start = 1000;
    const part = <T extends { slice(from: number): T }>(column: T, width = 1): T => column.slice(start * width);
    const { events, reference } = session;
    const tail: EventBatch = {
      length: 2000,
      timeNs: part(events.timeNs),
      type: part(events.type),
      orderId: part(events.orderId),
      side: part(events.side),
      price: part(events.price),
      size: part(events.size),
    };
    const books = {
      length: 2000,
      levels: 5,
      askPrice: part(reference!.askPrice, 5),
      askSize: part(reference!.askSize, 5),
      bidPrice: part(reference!.bidPrice, 5),
      bidSize: part(reference!.bidSize, 5),
    };
    const clean = rebuildBook({ ...session, events: tail, reference: books }, { levels: 5 });
    expect(clean.mismatches).toBe(0);
    expect(clean.levelsTaken).toBeGreaterThan(10);
    // The best three levels cannot just have come from beyond: a level does so only behind the fourth.
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1998 }),
        fc.nat(2),
        fc.constantFrom('askPrice' as const, 'askSize' as const, 'bidPrice' as const, 'bidSize' as const),
        (row, level, column) => {
          const wrong = { ...books, [column]: books[column].slice() };
          wrong[column][row * 5 + level] += 1;
          let built: ReturnType<typeof rebuildBook>;
          try {
            built = rebuildBook({ ...session, events: tail, reference: wrong });
          } catch {
            return; // after the wrong row the book goes on from it, and a later event may not fit
          }
          expect(built.mismatches).toBeGreaterThan(0);
          expect(built.firstMismatch).toMatchObject({
            row,
            level,
            side: column.startsWith('ask') ? -1 : 1,
            [column.endsWith('Price') ? 'expectedPrice' : 'expectedSize']: wrong[column][row * 5 + level],
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  const books = snapshotsOf(
    [
      [
        [101, 102],
        [5, 6],
        [100, 99],
        [7, 8],
      ],
      [
        [101, 102],
        [5, 6],
        [100, 99],
        [4, 8],
      ],
    ],
    2,
  );
  const first: MarketEvent = { timeNs: 1n, type: 5, orderId: 0n, side: 1, price: 100, size: 1 };
  const taking = (price: number, size: number, orderId = 50n): MarketEvent => ({
    timeNs: 2n,
    type: 4,
    orderId,
    side: 1,
    price,
    size,
  });

  test('an unknown order takes from the level that it names, but not more than it holds', () => {
    expect(rebuildBook(sessionOf([first, taking(100, 3)], books))).toMatchObject({ mismatches: 0, levelsTaken: 0 });
    expect(() => rebuildBook(sessionOf([first, taking(100, 8)], books))).toThrow(
      expect.objectContaining({
        message: 'stream, row 2: order 50 is unknown and takes 8 from bid level 100, where unknown orders hold 7',
        details: expect.objectContaining({ row: 2, column: 'size', value: 8, held: 7 }),
      }),
    );
  });

  test('what a known order holds is not there for unknown ones', () => {
    const added: MarketEvent = { timeNs: 1n, type: 1, orderId: 9n, side: 1, price: 100, size: 5 };
    expect(
      rebuildBook(sessionOf([added, taking(100, 2)], { ...books, bidSize: Int32Array.of(7, 8, 5, 8) })).mismatches,
    ).toBe(0);
    expect(() => rebuildBook(sessionOf([added, taking(100, 3)], books))).toThrow(
      /takes 3 from bid level 100, where unknown orders hold 2/,
    );
  });

  test('a level between known ones that does not exist holds nothing; beyond the last one nothing is known', () => {
    const gap = snapshotsOf(
      [
        [
          [101, 102],
          [5, 6],
          [100, 97],
          [7, 8],
        ],
        [
          [101, 102],
          [5, 6],
          [100, 97],
          [7, 8],
        ],
      ],
      2,
    );
    expect(() => rebuildBook(sessionOf([first, taking(98, 1)], gap))).toThrow(
      /bid level 98, where unknown orders hold 0/,
    );
    expect(rebuildBook(sessionOf([first, taking(96, 1)], gap))).toMatchObject({ beyondView: 1, mismatches: 0 });
  });

  test('where the reference shows an empty level, nothing rests beyond', () => {
    const short = snapshotsOf(
      [
        [
          [101, EMPTY_ASK_PRICE],
          [5, 0],
          [100, 99],
          [7, 8],
        ],
        [
          [101, 103],
          [5, 2],
          [100, 99],
          [7, 8],
        ],
      ],
      2,
    );
    const built = rebuildBook(sessionOf([first, { ...first, timeNs: 2n }], short));
    expect(built).toMatchObject({
      mismatches: 1,
      levelsTaken: 0,
      firstMismatch: {
        row: 1,
        side: -1,
        level: 1,
        price: EMPTY_ASK_PRICE,
        size: 0,
        expectedPrice: 103,
        expectedSize: 2,
      },
    });
  });

  test('once the view is full again, a level may have come to rest beyond it untold', () => {
    const bids = [100, 99, 7, 8];
    const rows = [
      [
        [101, EMPTY_ASK_PRICE],
        [5, 0],
      ], // one ask: nothing rests beyond
      [
        [101, 103],
        [5, 2],
      ], // a second one is added: the view is full, and 104 is added untold
      [
        [103, 104],
        [2, 9],
      ], // the first is taken: 104 comes into view
    ].map(([price, size]) => [price, size, bids.slice(0, 2), bids.slice(2)]);
    const events: MarketEvent[] = [
      first,
      { timeNs: 2n, type: 1, orderId: 60n, side: -1, price: 103, size: 2 },
      { timeNs: 3n, type: 4, orderId: 61n, side: -1, price: 101, size: 5 },
    ];
    expect(rebuildBook(sessionOf(events, snapshotsOf(rows, 2)))).toMatchObject({ mismatches: 0, levelsTaken: 1 });
  });

  test('fewer levels than the reference has may be asked for, more may not', () => {
    const { snapshots } = rebuildBook(sessionOf([first, taking(100, 3)], books), { levels: 1 });
    expect(rowOf(snapshots, 1)).toEqual([[101], [5], [100], [4]]);
    expect(() => rebuildBook(sessionOf([first], books), { levels: 1 })).toThrow(/reference/);
    expect(() => rebuildBook(sessionOf([first, taking(100, 3)], books), { levels: 3 })).toThrow(/levels/);
  });
});

describe('columns that native code must not read', () => {
  const good = syntheticSession({ events: 100, referenceLevels: 2 });
  const spoilt: [
    string,
    (array: { length: number; slice(a?: number, b?: number): unknown; buffer: ArrayBufferLike }) => unknown,
  ][] = [
    ['shorter', (array) => array.slice(0, array.length - 1)],
    ['longer', (array) => new (array.constructor as new (n: number) => unknown)(array.length + 1)],
    ['another type', (array) => new Float64Array(array.length)],
    ['a plain array', (array) => Array.from({ length: array.length }, () => 0)],
    ['absent', () => undefined],
    [
      'shared',
      (array) => {
        const bytes = array.buffer.byteLength;
        return new (array.constructor as new (b: SharedArrayBuffer) => unknown)(new SharedArrayBuffer(bytes));
      },
    ],
    [
      'resizable',
      (array) => {
        const Resizable = ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer;
        const bytes = array.buffer.byteLength;
        return new (array.constructor as new (b: ArrayBuffer) => unknown)(
          new Resizable(bytes, { maxByteLength: bytes }),
        );
      },
    ],
    [
      'detached',
      (array) => {
        const copy = array.slice() as Int32Array;
        structuredClone(copy.buffer, { transfer: [copy.buffer as ArrayBuffer] });
        return copy;
      },
    ],
  ];
  for (const [kind, spoil] of spoilt) {
    test.each(['timeNs', 'type', 'orderId', 'side', 'price', 'size'] as const)(`${kind}: events.%s`, (name) => {
      const events = { ...good.events, [name]: spoil(good.events[name] as never) } as EventBatch;
      expect(() => rebuildBook({ ...good, events })).toThrow(expect.objectContaining({ code: 'SHAPE' }));
    });
    test.each(['askPrice', 'askSize', 'bidPrice', 'bidSize'] as const)(`${kind}: reference.%s`, (name) => {
      const reference = { ...good.reference!, [name]: spoil(good.reference![name] as never) } as BookSnapshots;
      expect(() => rebuildBook({ ...good, reference })).toThrow(expect.objectContaining({ code: 'SHAPE' }));
    });
  }
});

describe('real days', () => {
  test.skipIf(GOOG_ZIP === undefined)(
    'GOOG 2012-06-21: the rebuilt book agrees with LOBSTER in all 147,916 rows',
    async () => {
      const session = await readLobster(GOOG_ZIP!);
      const { snapshots, ...counts } = rebuildBook(session);
      expect(counts).toEqual({
        checked: true,
        levelsTaken: 44_451,
        mismatches: 0,
        firstMismatch: undefined,
        beyondView: 0,
      });
      expectSameBooks(snapshots, session.reference!);
    },
  );

  test.skipIf(AAPL_ZIP === undefined)('AAPL 2012-06-21, level 1: agrees in all 118,497 rows', async () => {
    const session = await readLobster(AAPL_ZIP!);
    const { snapshots, ...counts } = rebuildBook(session);
    expect(snapshots.levels).toBe(1);
    expect(counts).toEqual({
      checked: true,
      levelsTaken: 30_071,
      mismatches: 0,
      firstMismatch: undefined,
      beyondView: 0,
    });
  });

  test.skipIf(AAPL_CSV === undefined)('AAPL, the first 999 rows of ten levels, plain CSV', async () => {
    const { snapshots: _, ...counts } = rebuildBook(await readLobster(AAPL_CSV!));
    expect(counts).toEqual({ checked: true, levelsTaken: 318, mismatches: 0, firstMismatch: undefined, beyondView: 0 });
  });
});
