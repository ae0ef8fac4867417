import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rebuildBook } from '../../src/book/index.js';
import { FlashbookError } from '../../src/core/errors.js';
import { Random } from '../../src/core/random.js';
import { midPrices } from '../../src/data/index.js';
import { computeFeatures, defaultFeatures } from '../../src/features/index.js';
import { type BinanceOptions, isBinance, readBinance } from '../../src/market/binance.js';
import { BinanceBook } from '../../src/market/binance-book.js';
import { BinanceLines } from '../../src/market/binance-messages.js';
import { readLines } from '../../src/market/csv.js';
import { EMPTY_ASK_PRICE, EMPTY_BID_PRICE, EventType, type MarketSession } from '../../src/market/events.js';
import { ReadMeter, type ReadProgress } from '../../src/market/read-options.js';
import { gzipSource } from '../../src/market/text-source.js';
import { nativeAvailable } from '../../src/native/index.js';
import { BINANCE_COIN_M, BINANCE_SPOT, BINANCE_USD_M } from '../data.js';

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flashbook-binance-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes lines, or bytes, to a file of its own. */
async function file(content: readonly string[] | Buffer, name = 'x.jsonl'): Promise<string> {
  const path = join(folder, `${count++}-${name}`);
  await writeFile(path, Buffer.isBuffer(content) ? content : `${content.join('\n')}\n`);
  return path;
}

type Levels = [string, string][];
type Change = Record<string, unknown>;

let clock = 0;
const line = (message: object) => `${1_700_000_000_000_000_000n + BigInt(clock++ * 1000)} ${JSON.stringify(message)}`;
const stream = (name: string, data: object) => line({ stream: `btcusdt@${name}`, data });
const snapshot = (lastUpdateId: number, bids: Levels, asks: Levels, change: Change = {}) =>
  line({ lastUpdateId, bids, asks, ...change });
const depth = (U: number, u: number, pu: number | undefined, b: Levels, a: Levels, change: Change = {}) =>
  stream('depth@0ms', { e: 'depthUpdate', s: 'BTCUSDT', U, u, ...(pu === undefined ? {} : { pu }), b, a, ...change });
const ticker = (u: number, b: string, B: string, a: string, A: string, change: Change = {}) =>
  stream('bookTicker', { u, s: 'BTCUSDT', b, B, a, A, ...change });
const trade = (p: string, q: string, m: boolean, change: Change = {}) =>
  stream('trade', { e: 'trade', s: 'BTCUSDT', p, q, m, ...change });

const BIDS: Levels = [
  ['99.90', '5.000'],
  ['99.80', '2.500'],
  ['99.70', '1.000'],
];
const ASKS: Levels = [
  ['100.10', '4.000'],
  ['100.20', '3.000'],
  ['100.40', '1.000'],
];
const START = () => snapshot(100, BIDS, ASKS);

/** The rows of a recording: kind, side, price, size, and the best level of both sides. */
async function rows(lines: readonly string[], options?: BinanceOptions) {
  const { events, book } = await readBinance(await file(lines), options);
  const { levels } = book!;
  return Array.from({ length: events.length }, (_, i) => ({
    event: [events.type[i], events.side[i], events.price[i], events.size[i]],
    bid: [book!.bidPrice[i * levels], book!.bidSize[i * levels]],
    ask: [book!.askPrice[i * levels], book!.askSize[i * levels]],
  }));
}

async function failure(lines: readonly string[] | Buffer, options?: BinanceOptions): Promise<FlashbookError> {
  const path = await file(lines);
  const error = await readBinance(path, options).then(
    () => undefined,
    (cause) => cause,
  );
  expect(error).toBeInstanceOf(FlashbookError);
  return error;
}

describe('the book', () => {
  test('begins with a snapshot: differences before it wait, older ones are dropped', async () => {
    const lines = [
      depth(90, 95, 85, [['99.90', '7.000']], []), // wholly before the snapshot
      depth(96, 105, 95, [['99.90', '6.000']], [['100.10', '0.000']]), // reaches over it: applied
      START(),
      depth(106, 110, 105, [], [['100.20', '3.500']]),
    ];
    expect(await rows(lines)).toEqual([{ event: [EventType.add, -1, 1002, 5], bid: [999, 60], ask: [1002, 35] }]);
  });

  test('spot: the first difference reaches back to the snapshot, each one follows the last', async () => {
    const lines = [
      START(),
      depth(80, 100, undefined, [['99.90', '0']], []),
      depth(101, 103, undefined, [], [['100.10', '1.000']]),
    ];
    expect(await rows(lines)).toEqual([{ event: [EventType.cancel, -1, 1001, 30], bid: [999, 50], ask: [1001, 10] }]);
    const error = await failure([...lines, depth(105, 106, undefined, [], [])]);
    expect(error).toMatchObject({ code: 'DATA', details: { row: 4, column: 'U', value: 105 } });
    expect(error.message).toMatch(/104, which follows the message before; messages are missing between/);
  });

  test.each([
    ['size grows', [['99.90', '5.500']], [], [EventType.add, 1, 999, 5]],
    ['size falls', [['99.90', '4.000']], [], [EventType.cancel, 1, 999, 10]],
    ['a level goes', [['99.90', '0.000']], [], [EventType.delete, 1, 999, 50]],
    ['a better level comes', [], [['100.00', '0.300']], [EventType.add, -1, 1000, 3]],
    ['a deeper level comes', [['99.60', '2.000']], [], [EventType.add, 1, 996, 20]],
    ['the nearer change of two', [['99.80', '9.000']], [['100.10', '4.100']], [EventType.add, -1, 1001, 1]],
    ['the larger of two at one depth', [['99.90', '9.000']], [['100.10', '4.100']], [EventType.add, 1, 999, 40]],
  ] as [string, Levels, Levels, number[]][])('tells one event: %s', async (_, b, a, event) => {
    const [row] = await rows([START(), depth(101, 102, 100, b, a)]);
    expect(row.event).toEqual(event);
  });

  test('a message that changes no visible level is no row', async () => {
    const lines = [
      START(),
      depth(101, 102, 100, [['99.70', '8.000']], []),
      depth(103, 104, 102, [['99.90', '6.000']], []),
    ];
    expect(await rows(lines, { levels: 2 })).toHaveLength(1);
    expect(await rows(lines, { levels: 3 })).toHaveLength(2);
  });

  test('a newer ticker stands over the levels until the differences have come to it', async () => {
    const found = await rows([
      START(),
      ticker(110, '100.00', '1.000', '100.20', '2.000'), // a bid that is new, an ask level gone
      depth(101, 105, 100, [['99.90', '6.000']], []), // older than the ticker
      depth(106, 112, 105, [['100.00', '1.200']], [['100.10', '0.000']]),
      ticker(111, '99.00', '1.000', '100.90', '2.000'), // older than the book
    ]);
    expect(found.map(({ bid, ask }) => [bid, ask])).toEqual([
      [
        [1000, 10],
        [1002, 20],
      ],
      [
        [1000, 10],
        [1002, 20],
      ],
      [
        [1000, 12],
        [1002, 30],
      ],
    ]);
    expect(found[1].event).toEqual([EventType.add, 1, 999, 10]);
  });

  test('a trade executes the side that rested; the book stays', async () => {
    const found = await rows([
      START(),
      trade('100.10', '0.700', false),
      trade('99.90', '0.200', true),
      trade('0', '0', true, { X: 'NA' }),
    ]);
    expect(found.map(({ event }) => event)).toEqual([
      [EventType.execute, -1, 1001, 7],
      [EventType.execute, 1, 999, 2],
    ]);
    expect(found[1]).toMatchObject({ bid: [999, 50], ask: [1001, 40] });
  });

  test('passes over what it does not need, also the streams of the best few levels', async () => {
    const found = await rows([
      stream('depth20@100ms', { lastUpdateId: 90, bids: [['50.00', '1.0']], asks: [['51.00', '1.0']] }),
      START(),
      stream('aggTrade', { e: 'aggTrade', s: 'BTCUSDT', p: '1', q: '1', m: true }),
      stream('depth5', { e: 'depthUpdate', s: 'BTCUSDT', U: 101, u: 102, pu: 100, b: [['99.00', '1.0']], a: [] }),
      line({ result: null, id: 1 }),
      depth(101, 102, 100, [['99.90', '6.000']], []),
    ]);
    expect(found.map(({ bid }) => bid)).toEqual([[999, 60]]);
  });

  test('fills levels that do not exist, and rounds sizes finer than the lot', async () => {
    const { book } = await readBinance(await file([START(), depth(101, 102, 100, [['99.90', '0.0001']], [])]), {
      levels: 4,
    });
    expect([...book!.bidPrice]).toEqual([999, 998, 997, EMPTY_BID_PRICE]);
    expect([...book!.bidSize]).toEqual([1, 25, 10, 0]);
    expect([...book!.askPrice]).toEqual([1001, 1002, 1004, EMPTY_ASK_PRICE]);
  });

  test('passes over gaps where it is told to, to the next snapshot', async () => {
    const lines = [
      START(),
      depth(101, 102, 100, [['99.90', '6.000']], []),
      depth(110, 112, 109, [['99.90', '7.000']], []),
      trade('100.10', '1.000', false),
      snapshot(115, BIDS, ASKS),
      depth(113, 118, 112, [['99.90', '9.000']], []),
    ];
    expect((await failure(lines)).details).toMatchObject({ row: 3, column: 'pu', value: 109 });
    expect((await rows(lines, { onGap: 'resync' })).map(({ bid }) => bid)).toEqual([
      [999, 60],
      [999, 90],
    ]);
  });

  test('has the instrument of the messages and the units of the snapshot', async () => {
    const futures = await readBinance(await file([START(), depth(101, 102, 100, [['99.90', '6.000']], [])]));
    expect(futures.instrument).toEqual({
      ...{ symbol: 'BTCUSDT', venue: 'Binance USD-M', priceUnit: 0.1, sizeUnit: 0.1, tickSize: 1 },
    });
    const coin = await readBinance(
      await file([
        snapshot(100, [['99.5', '5']], [['100.5', '4']]),
        depth(101, 102, 100, [['99.5', '6']], [], { ps: 'BTCUSD' }),
      ]),
    );
    expect(coin.instrument).toMatchObject({ venue: 'Binance COIN-M', priceUnit: 0.1, sizeUnit: 1, tickSize: 10 });
    const spot = await readBinance(await file([START(), depth(101, 102, undefined, [['99.90', '6.000']], [])]));
    expect(spot.instrument.venue).toBe('Binance spot');
  });
});

/** A market that is told as the exchange does, beside the whole book in plain maps after each message. */
function randomMarket(seed: number, messages: number) {
  const random = new Random(seed);
  const sides = { b: new Map<number, number>(), a: new Map<number, number>() };
  for (let l = 0; l < 40; l++) {
    sides.b.set(5000 - l, 1 + random.below(50));
    sides.a.set(5001 + l, 1 + random.below(50));
  }
  const text = (n: number) => (n / 100).toFixed(2);
  const sorted = (side: 'a' | 'b') => [...sides[side]].sort(([p], [q]) => (side === 'a' ? p - q : q - p));
  const asText = (side: 'a' | 'b'): Levels => sorted(side).map(([price, size]) => [text(price), text(size)]);
  const lines: string[] = [];
  const books: (number[][] | undefined)[] = [];
  let id = 1000;
  let told = id;
  for (let m = 0; m < messages; m++) {
    if (m === 5) {
      lines.push(snapshot(id, asText('b'), asText('a')));
      books.push(undefined);
    }
    const changes: { b: Levels; a: Levels } = { b: [], a: [] };
    for (let c = random.below(6); c >= 0; c--) {
      const side = random.float() < 0.5 ? 'a' : 'b';
      const other = sorted(side === 'a' ? 'b' : 'a')[0][0];
      const near = sorted(side)[0][0];
      const price =
        side === 'a'
          ? Math.max(other + 1, near - 2 + random.below(14))
          : Math.min(other - 1, near + 2 - random.below(14));
      const size = random.float() < 0.4 && sides[side].size > 20 ? 0 : 1 + random.below(50);
      if (size === 0) sides[side].delete(price);
      else sides[side].set(price, size);
      changes[side].push([text(price), text(size)]);
    }
    const first = id + 1 + random.below(3);
    id = first + random.below(5);
    lines.push(depth(first, id, told, changes.b, changes.a));
    told = id;
    books.push([...sorted('b').slice(0, 10), ...sorted('a').slice(0, 10)]);
    if (random.float() < 0.5) {
      const [[bid, bidSize]] = sorted('b');
      const [[ask, askSize]] = sorted('a');
      lines.push(ticker(id, text(bid), text(bidSize), text(ask), text(askSize)));
      books.push(undefined);
    }
  }
  return { lines, books: books.filter((book) => book !== undefined).slice(5) };
}

describe('against a plain book', () => {
  test.each([1, 2, 3])('every row, seed %d', async (seed) => {
    const { lines, books } = randomMarket(seed, 300);
    const { book, events } = await readBinance(await file(lines));
    // Messages that change nothing visible are no rows: both lists without repetitions of the row before.
    const found = Array.from({ length: events.length }, (_, i) => [
      ...Array.from({ length: 10 }, (_, l) => [book!.bidPrice[i * 10 + l], book!.bidSize[i * 10 + l]]),
      ...Array.from({ length: 10 }, (_, l) => [book!.askPrice[i * 10 + l], book!.askSize[i * 10 + l]]),
    ]);
    const distinct = (list: unknown[]) =>
      list.map((row) => JSON.stringify(row)).filter((row, i, all) => row !== all[i - 1]);
    expect(distinct(found)).toHaveLength(events.length);
    expect(distinct(found).slice(-250)).toEqual(distinct(books).slice(-250));
    expect(events.length).toBeGreaterThan(250);
  });

  test('sees nothing that comes later: the first lines give the first rows', async () => {
    const { lines } = randomMarket(4, 200);
    const whole = await readBinance(await file(lines));
    const part = await readBinance(await file(lines.slice(0, 150)));
    const n = part.events.length;
    for (const column of ['timeNs', 'type', 'side', 'price', 'size'] as const) {
      expect([...part.events[column]]).toEqual([...whole.events[column].subarray(0, n)]);
    }
    expect([...part.book!.bidPrice]).toEqual([...whole.book!.bidPrice.subarray(0, 10 * n)]);
    expect(part.instrument).toEqual(whole.instrument);
  });

  test('gzip, parts of a day and a folder give the same session', async () => {
    const { lines } = randomMarket(5, 120);
    const plain = await readBinance(await file(lines));
    const same = (other: MarketSession) => {
      expect(other.events).toEqual(plain.events);
      expect(other.book).toEqual(plain.book);
    };
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    same(await readBinance(await file(gzipSync(bytes), 'y.jsonl.gz')));
    const day = await mkdtemp(join(folder, 'day-'));
    await writeFile(join(day, 'b_2.jsonl.gz'), gzipSync(`${lines.slice(70).join('\n')}\n`));
    await writeFile(join(day, 'b_1.jsonl'), `${lines.slice(0, 70).join('\n')}\n`);
    await writeFile(join(day, 'LICENSE'), 'not a recording');
    same(await readBinance(day));
    same(await readBinance([join(day, 'b_1.jsonl'), join(day, 'b_2.jsonl.gz')]));
    expect(await isBinance(day)).toBe(true);
  });

  test('reports how far it is', async () => {
    const { lines } = randomMarket(6, 50);
    const seen: ReadProgress[] = [];
    await readBinance(await file(gzipSync(lines.join('\n'))), { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ done: lines.join('\n').length, total: lines.join('\n').length, unit: 'bytes' });
  });
});

describe('refuses', () => {
  const next = (change: Change) => depth(101, 102, 100, [], [], change);

  test.each([
    ['no time', () => ['{"lastUpdateId":1}'], 'time', 'FORMAT'],
    ['no update id', () => [START(), next({ u: '102' })], 'u', 'FORMAT'],
    ['a level that is none', () => [START(), next({ b: [['99.90']] })], 'b[0]', 'FORMAT'],
    ['no list of levels', () => [START(), next({ a: null })], 'a', 'FORMAT'],
    ['a price that is no number', () => [START(), next({ b: [['abc', '1.0']] })], 'b', 'FORMAT'],
    ['a price between the ticks', () => [START(), next({ b: [['99.95', '1.0']] })], 'b', 'FORMAT'],
    ['a price of 0', () => [START(), next({ b: [['0', '1.0']] })], 'b', 'FORMAT'],
    ['a negative size', () => [START(), next({ b: [['99.90', '-1']] })], 'b', 'FORMAT'],
    ['a size that is too large', () => [START(), next({ b: [['99.90', '3000000000']] })], 'b', 'FORMAT'],
    ['a crossed book', () => [START(), next({ b: [['100.10', '1']] })], 'b', 'DATA'],
    ['a crossed ticker', () => [START(), ticker(105, '100.2', '1', '100.1', '1')], 'b', 'DATA'],
    ['another instrument', () => [START(), next({}), next({ s: 'ETHUSDT' })], 's', 'DATA'],
    ['a trade of nothing', () => [START(), trade('100.10', '0', true)], 'q', 'DATA'],
    ['a trade without its side', () => [START(), trade('100.10', '1', true, { m: 1 })], 'm', 'FORMAT'],
    ['an empty snapshot', () => [snapshot(1, [], ASKS)], 'bids', 'DATA'],
    ['a ticker that differs', () => [START(), next({}), ticker(102, '99.9', '5.1', '100.1', '4')], 'B', 'DATA'],
    ['a gap behind the snapshot', () => [START(), depth(105, 106, 104, [], [])], 'pu', 'DATA'],
  ])('%s, naming file, row, field, value', async (_, lines, column, code) => {
    const all = lines();
    const error = await failure(all);
    expect(error.message).toContain(`row ${all.length}`);
    expect(error).toMatchObject({ code, details: { row: all.length, column } });
    expect(error.details.file).toContain(folder);
    expect(error.message).toMatch(/expected .*, found '/);
  });

  test('time that goes back, also between files', async () => {
    const [late, early] = [START(), START()].reverse();
    expect(await failure([late, early])).toMatchObject({ code: 'DATA', details: { row: 2, column: 'time' } });
    const paths = [await file([late]), await file([early])];
    await expect(readBinance(paths)).rejects.toMatchObject({ code: 'DATA', details: { row: 1, file: paths[1] } });
  });

  test('a line that is no JSON', async () => {
    const error = await failure([START(), '1700000000999000000 {"stream":']);
    expect(error).toMatchObject({ code: 'FORMAT', details: { row: 2 } });
  });

  test('a recording without a snapshot, or without anything after it', async () => {
    expect((await failure([next({})])).message).toContain('no snapshot of the book');
    expect((await failure([START(), next({})])).message).toContain('nothing follows its snapshot');
  });

  test('an empty file, damaged gzip, a folder without recordings, a wrong option', async () => {
    expect(await failure(Buffer.alloc(0))).toMatchObject({ code: 'FORMAT' });
    const packed = gzipSync(`${[START(), next({})].join('\n')}\n`);
    expect(await failure(packed.subarray(0, packed.length - 20))).toMatchObject({ code: 'FORMAT' });
    await expect(readBinance(await mkdtemp(join(folder, 'empty-')))).rejects.toMatchObject({ code: 'FORMAT' });
    await expect(readBinance(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'FILE' });
    await expect(readBinance([])).rejects.toMatchObject({ code: 'OPTION' });
    await expect(readBinance('x', { level: 3 } as BinanceOptions)).rejects.toThrow(/levels/);
    await expect(readBinance('x', { levels: 0 })).rejects.toMatchObject({ code: 'OPTION' });
  });

  test('to go on after its signal', async () => {
    const signal = AbortSignal.abort();
    await expect(readBinance(await file([START()]), { signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('what is not its own', async () => {
    expect(await isBinance(await file(['34200.1,1,1,1,1,1']))).toBe(false);
    expect(await isBinance(await file([START()]))).toBe(true);
    expect(await isBinance(await file(gzipSync(ticker(1, '1', '1', '2', '1'))))).toBe(true);
  });
});

/** Gaps, crossed books and tickers that differ are errors: that these files can be read is that they have none. */
describe('real recordings', () => {
  test.skipIf(BINANCE_USD_M === undefined).each([
    ['USD-M', () => [BINANCE_USD_M!], 573, { symbol: 'BTCUSDT', priceUnit: 0.1, sizeUnit: 0.001, tickSize: 1 }],
    ['spot', () => BINANCE_SPOT!, 1059, { symbol: 'BTCUSDT', priceUnit: 0.01, sizeUnit: 0.00001, tickSize: 1 }],
    ['COIN-M', () => BINANCE_COIN_M!, 1885, { symbol: 'BTCUSD_PERP', priceUnit: 0.1, sizeUnit: 1, tickSize: 1 }],
  ])(
    '%s: no gap, never crossed, agrees with every bookTicker of the same update id',
    async (market, paths, compared, instrument) => {
      const book = new BinanceBook(10, 'error');
      for (const path of paths()) {
        const source = await gzipSource(path);
        const lines = new BinanceLines(source.name, (...message) => book.take(...message));
        await readLines(source, lines.parse, new ReadMeter(source.bytes, {}, 'reading'));
      }
      expect(book.compared).toBe(compared);
      expect(book.gaps).toBe(0);
      expect(book.instrument).toEqual({ ...instrument, venue: `Binance ${market}` });
      const { events, book: rows } = book.rows.finish();
      expect(events.length).toBeGreaterThan(70_000);
      for (let i = 0; i < events.length; i++) {
        const at = i * 10;
        if (!(rows.bidPrice[at] < rows.askPrice[at])) expect.fail(`row ${i} is crossed`);
        for (let l = at + 1; l < at + 10; l++) {
          const falls = rows.bidPrice[l] < rows.bidPrice[l - 1] && rows.askPrice[l] > rows.askPrice[l - 1];
          if (!falls || rows.bidSize[l] <= 0 || rows.askSize[l] <= 0) expect.fail(`row ${i}, level ${l - at}`);
        }
      }
    },
  );

  test.skipIf(BINANCE_USD_M === undefined || !nativeAvailable())('book, features and labels take it', async () => {
    const session = await readBinance(BINANCE_USD_M!);
    const { snapshots, checked } = rebuildBook(session, { levels: 5 });
    expect([snapshots.levels, checked]).toEqual([5, false]);
    expect([...snapshots.askPrice.subarray(5, 10)]).toEqual([...session.book!.askPrice.subarray(10, 15)]);
    const table = computeFeatures(session.events, snapshots, session.instrument, defaultFeatures(5));
    expect(table.values.every(Number.isFinite)).toBe(true);
    const mid = midPrices(snapshots);
    expect(mid.filter((price, i) => i > 0 && price !== mid[i - 1]).length).toBe(1977);
  });
});
