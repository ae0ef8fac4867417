import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlashbookError } from '../../src/core/errors.js';
import { EMPTY_ASK_PRICE, EMPTY_BID_PRICE } from '../../src/market/events.js';
import { type LobsterFiles, readLobster } from '../../src/market/lobster.js';
import type { ReadProgress } from '../../src/market/read-options.js';
import { AAPL_CSV, AAPL_ZIP, GOOG_ZIP } from '../data.js';
import { zipOf } from './zip-of.js';

const MESSAGE = 'TEST_2020-01-01_34200000_57600000_message_2.csv';
const ORDERBOOK = 'TEST_2020-01-01_34200000_57600000_orderbook_2.csv';
const EMPTY = '9999999999,0,-9999999999,0';

const MESSAGES = [
  '34200.015105074,1,16113575,18,5853300,1',
  '34200.05990197,4,16113575,8,5853300,1',
  '34201,7,0,0,-1,-1',
];
const BOOKS = [
  '5859400,200,5853300,18,5859800,10,5853000,150',
  '5859400,200,5853300,10,5859800,10,5853000,150',
  `5859400,200,5853300,10,${EMPTY}`,
];

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flashbook-lobster-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes a file of its own and returns its path. */
async function file(content: string | Buffer, name = 'data.csv'): Promise<string> {
  const path = join(folder, `${count++}-${name}`);
  await writeFile(path, content);
  return path;
}

async function csv(messages: string[], books: string[]): Promise<LobsterFiles> {
  return {
    message: await file(`${messages.join('\n')}\n`, MESSAGE),
    orderbook: await file(`${books.join('\n')}\n`, ORDERBOOK),
  };
}

/** The error of a reading that must fail. */
async function failure(input: string | LobsterFiles): Promise<FlashbookError> {
  const error = await readLobster(input).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(FlashbookError);
  return error as FlashbookError;
}

/** The rows of the good files with one cell changed. */
function changed(rows: string[], row: number, column: number, value: string): string[] {
  return rows.map((line, i) => (i === row ? line.split(',').with(column, value).join(',') : line));
}

describe('a good LOBSTER day', () => {
  const check = (session: Awaited<ReturnType<typeof readLobster>>): void => {
    const { events, reference } = session;
    expect(events.length).toBe(3);
    expect([...events.timeNs]).toEqual([34200015105074n, 34200059901970n, 34201000000000n]);
    expect([...events.type]).toEqual([1, 4, 7]);
    expect([...events.orderId]).toEqual([16113575n, 16113575n, 0n]);
    expect([...events.size]).toEqual([18, 8, 0]);
    expect([...events.price]).toEqual([5853300, 5853300, -1]);
    expect([...events.side]).toEqual([1, 1, -1]);
    expect(reference).toMatchObject({ length: 3, levels: 2 });
    expect([...reference!.askPrice]).toEqual([5859400, 5859800, 5859400, 5859800, 5859400, EMPTY_ASK_PRICE]);
    expect([...reference!.askSize]).toEqual([200, 10, 200, 10, 200, 0]);
    expect([...reference!.bidPrice]).toEqual([5853300, 5853000, 5853300, 5853000, 5853300, EMPTY_BID_PRICE]);
    expect([...reference!.bidSize]).toEqual([18, 150, 10, 150, 10, 0]);
  };

  test('as two CSV files, or the message file alone with the other beside it', async () => {
    const files = await csv(MESSAGES, BOOKS);
    check(await readLobster(files));
    const session = await readLobster(files);
    expect(session.instrument).toMatchObject({ venue: 'NASDAQ', priceUnit: 0.0001, sizeUnit: 1, tickSize: 100 });
    const sub = await mkdtemp(join(folder, 'pair-'));
    await writeFile(join(sub, MESSAGE), MESSAGES.join('\n'));
    await writeFile(join(sub, ORDERBOOK), BOOKS.join('\n'));
    const beside = await readLobster(join(sub, MESSAGE));
    check(beside);
    expect(beside.instrument.symbol).toBe('TEST');
    check(await readLobster(sub));
  });

  test('as a zip, with folders and a read-me in it', async () => {
    const zip = await zipOf({
      'ReadMe.txt': 'hello',
      [`day/${MESSAGE}`]: MESSAGES.join('\n'),
      [`day/${ORDERBOOK}`]: BOOKS.join('\n'),
    });
    const path = await file(zip, 'day.zip');
    const session = await readLobster(path);
    check(session);
    expect(session.instrument.symbol).toBe('TEST');
    expect(session.source).toBe(path);
  });

  test.each([
    ['Windows line ends', '\r\n', '\r\n'],
    ['no last newline', '\n', ''],
    ['Windows line ends and none at the end', '\r\n', ''],
    ['blank lines at the end', '\n', '\n\n\r\n'],
  ])('with %s', async (_, separator, end) => {
    check(
      await readLobster({
        message: await file(MESSAGES.join(separator) + end),
        orderbook: await file(BOOKS.join(separator) + end),
      }),
    );
  });

  test('numbers are exact: nanoseconds from the digits, order ids beyond 2^53', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.bigInt({ min: 0n, max: 86_399_999_999_999n }),
            fc.integer({ min: 0, max: 9 }),
            fc.bigInt({ min: 0n, max: 999_999_999_999_999_999n }),
            fc.integer({ min: 1, max: 0x7fffffff }),
            fc.integer({ min: 1, max: 0x7ffffffe }),
          ),
          { minLength: 1, maxLength: 50 },
        ),
        async (rows) => {
          rows.sort((a, b) => (a[0] < b[0] ? -1 : 1));
          // Trailing zeros may be left away, and so may a fraction of zero.
          const lines = rows.map(([ns, zeros, id, size, price]) => {
            const fraction = String(ns % 1_000_000_000n).padStart(9, '0');
            const short = fraction.replace(new RegExp(`0{0,${zeros}}$`), '');
            return `${ns / 1_000_000_000n}${short === '' ? '' : `.${short}`},3,${id},${size},${price},-1`;
          });
          const { events } = await readLobster(
            await csv(
              lines,
              lines.map(() => EMPTY),
            ),
          );
          expect([...events.timeNs]).toEqual(rows.map((r) => r[0]));
          expect([...events.orderId]).toEqual(rows.map((r) => r[2]));
          expect([...events.size]).toEqual(rows.map((r) => r[3]));
          expect([...events.price]).toEqual(rows.map((r) => r[4]));
        },
      ),
      { numRuns: 50 },
    );
  });

  test('columns grow when rows are shorter than usual, and blocks may end anywhere', async () => {
    const n = 60_000;
    const messages = Array.from({ length: n }, (_, i) => `${1 + Math.floor(i / 10)},1,${i},1,${1 + (i % 9)},1`);
    const books = Array.from({ length: n }, (_, i) => `${100 + i},${1 + i},${1 + (i % 99)},7`);
    const { events, reference } = await readLobster(await csv(messages, books));
    expect(events.length).toBe(n);
    for (let i = 0; i < n; i++) {
      if (events.orderId[i] !== BigInt(i) || events.timeNs[i] !== BigInt(1 + Math.floor(i / 10)) * 1_000_000_000n) {
        throw new Error(`row ${i}`);
      }
      if (reference!.askPrice[i] !== 100 + i || reference!.askSize[i] !== 1 + i) throw new Error(`book row ${i}`);
    }
  });

  test('a stock below one dollar has a finer tick', async () => {
    const session = await readLobster(await csv(['34200,1,1,100,9900,1'], ['10000,100,9900,100']));
    expect(session.instrument.tickSize).toBe(1);
  });

  test('the first row decides about the tick: a later order at a penny changes no earlier feature', async () => {
    const penny = '34202,1,77,100,100,1';
    const { instrument } = await readLobster(await csv([...MESSAGES, penny], [...BOOKS, BOOKS[2]]));
    expect(instrument.tickSize).toBe(100);
    const onlyAsks = await readLobster(await csv(['34200,1,1,100,9900,-1'], ['9900,100,-9999999999,0']));
    expect(onlyAsks.instrument.tickSize).toBe(1);
    const nothing = await readLobster(await csv(['34200,7,0,0,-1,-1'], ['9999999999,0,-9999999999,0']));
    expect(nothing.instrument.tickSize).toBe(100);
  });
});

describe('files that cannot be read', () => {
  test('missing', async () => {
    const error = await failure(join(folder, 'nowhere.zip'));
    expect(error.code).toBe('FILE');
    expect(error.message).toMatch(/nowhere\.zip.*no such file/);
    expect((await failure({ message: join(folder, 'a'), orderbook: join(folder, 'b') })).code).toBe('FILE');
    expect((await failure(await file(MESSAGES.join('\n'), MESSAGE))).message).toMatch(
      /orderbook_2\.csv: there is no such/,
    );
  });

  test.each(['day.zip', MESSAGE])('empty: %s', async (name) => {
    const error = await failure(await file('', name));
    expect(error.code).toBe('FORMAT');
    expect(error.message).toContain('empty (0 bytes)');
  });

  test('empty file in an archive, and a file of blank lines', async () => {
    const zip = await zipOf({ [MESSAGE]: '', [ORDERBOOK]: BOOKS.join('\n') });
    expect((await failure(await file(zip, 'a.zip'))).message).toContain(`${MESSAGE} is empty`);
    expect((await failure(await csv(['', ''], BOOKS))).message).toMatch(/message_2\.csv has no rows/);
    expect((await failure(await csv(MESSAGES, ['', '']))).message).toMatch(/orderbook_2\.csv has no rows/);
  });

  test('not a zip', async () => {
    const error = await failure(await file('this is text, no archive', 'day.zip'));
    expect(error.code).toBe('FORMAT');
    expect(error.message).toContain('not a zip archive');
  });

  test('a truncated zip, wherever it is cut', async () => {
    const rows = Array.from(
      { length: 5000 },
      (_, i) => `${34200 + i},1,${i},${((i * 7919) % 1000) + 1},58533${(i % 90) + 10},1`,
    );
    const zip = await zipOf({ [MESSAGE]: rows.join('\n'), [ORDERBOOK]: rows.map(() => EMPTY).join('\n') });
    for (const part of [0.01, 0.3, 0.7, 0.99]) {
      const error = await failure(await file(zip.subarray(0, Math.floor(zip.length * part)), 'cut.zip'));
      expect(error.code).toBe('FORMAT');
      expect(error.message).toContain('cut short or damaged');
    }
  });

  test('a zip with a flipped byte in its data', async () => {
    const rows = Array.from(
      { length: 2000 },
      (_, i) => `${34200 + i},1,${i},${((i * 7919) % 1000) + 1},58533${(i % 90) + 10},1`,
    );
    const zip = await zipOf({ [MESSAGE]: rows.join('\n'), [ORDERBOOK]: rows.map(() => EMPTY).join('\n') });
    for (const at of [200, 1000, 3000]) {
      const broken = Buffer.from(zip);
      broken[at] ^= 0x55;
      const error = await failure(await file(broken, 'flip.zip'));
      expect(['FORMAT', 'DATA']).toContain(error.code);
    }
  });

  test('a zip without the two files, or with several', async () => {
    expect((await failure(await file(await zipOf({ 'a.txt': 'a' }), 'a.zip'))).message).toMatch(
      /no message file.*expected one message and one orderbook file, found a\.txt/,
    );
    expect((await failure(await file(await zipOf({ [MESSAGE]: 'x' }), 'b.zip'))).message).toMatch(/no orderbook file/);
    const two = await zipOf({ [MESSAGE]: 'x', [`2/${MESSAGE}`]: 'x', [ORDERBOOK]: 'x' });
    expect((await failure(await file(two, 'c.zip'))).message).toMatch(/2 message files/);
    expect((await failure(await file(await zipOf({}), 'd.zip'))).message).toMatch(/found nothing/);
  });

  test('a message file whose order-book file cannot be guessed, and wrong arguments', async () => {
    expect((await failure(await file(MESSAGES.join('\n'), 'events.csv'))).message).toMatch(
      /give a LOBSTER zip archive or/,
    );
    await expect(readLobster(5 as never)).rejects.toThrow(/expected a path or/);
    await expect(readLobster('x', { sygnal: undefined } as never)).rejects.toThrow(/did you mean 'signal'/);
  });
});

describe('rows that cannot be', () => {
  test.each<[string, number, number, string, RegExp, string]>([
    [
      'time that is no number',
      1,
      0,
      'noon',
      /message.*row 2, column time: expected seconds after midnight.*found 'noon'/,
      'FORMAT',
    ],
    ['ten decimals', 1, 0, '34200.0599019701', /nine decimals/, 'FORMAT'],
    ['time after midnight', 2, 0, '86400', /less than 86400/, 'FORMAT'],
    ['empty cell', 0, 3, '', /row 1, column size: expected a whole number.*found ''/, 'FORMAT'],
    ['a size with a letter', 1, 3, '1O0', /column size/, 'FORMAT'],
    ['a size beyond 32 bits', 1, 3, '2147483648', /column size/, 'FORMAT'],
    ['a decimal price', 1, 4, '58.5', /column price/, 'FORMAT'],
    ['a price in exponents', 1, 4, '5e6', /column price/, 'FORMAT'],
    ['an order id of 19 digits', 1, 2, '1234567890123456789', /up to 18 digits/, 'FORMAT'],
    ['unknown event type', 1, 1, '9', /row 2, column type: expected an event type from 1 to 7, found '9'/, 'FORMAT'],
    ['event type 0', 1, 1, '0', /column type/, 'FORMAT'],
    ['event type 14', 1, 1, '14', /column type/, 'FORMAT'],
    ['direction 2', 1, 5, '2', /column direction: expected 1 \(buy\) or -1 \(sell\)/, 'FORMAT'],
    ['a negative size', 1, 3, '-8', /row 2, column size: expected a size that is not negative, found '-8'/, 'FORMAT'],
    ['size zero', 1, 3, '0', /row 2, column size: expected a positive size/, 'DATA'],
    ['price zero', 1, 4, '0', /row 2, column price: expected a positive price/, 'DATA'],
    ['a negative price', 1, 4, '-5', /row 2, column price: expected a positive price/, 'DATA'],
    [
      'time going back',
      1,
      0,
      '34200.015105073',
      /row 2, column time: expected a time not before that of row 1 \(34200\.015105074\), found '34200\.015105073'/,
      'DATA',
    ],
  ])('messages: %s', async (_, row, column, value, message, code) => {
    const error = await failure(await csv(changed(MESSAGES, row, column, value), BOOKS));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.details).toMatchObject({ row: row + 1, value });
    expect(error.details.file).toContain(MESSAGE);
  });

  test.each<[string, number, number, string, RegExp, string]>([
    [
      'a cell that is no number',
      1,
      4,
      'x',
      /orderbook.*row 2, column ask price 2: expected a whole number, found 'x'/,
      'FORMAT',
    ],
    [
      'a negative size',
      1,
      3,
      '-10',
      /row 2, column bid size 1: expected a size that is not negative, found '-10'/,
      'FORMAT',
    ],
    ['size zero at a level', 1, 1, '0', /column ask size 1: expected a positive size/, 'DATA'],
    ['a size at an empty level', 2, 5, '3', /row 3, column ask size 2: expected 0/, 'DATA'],
    ['a price beyond 32 bits', 1, 0, '2147483647', /column ask price 1/, 'FORMAT'],
    [
      'a crossed book',
      1,
      2,
      '5859400',
      /row 2, column bid price 1: expected a bid below the best ask \(5859400\); the book is crossed, found '5859400'/,
      'DATA',
    ],
    [
      'ask levels out of order',
      0,
      4,
      '5859400',
      /column ask price 2: expected an ask price above that of the level before/,
      'DATA',
    ],
    ['bid levels out of order', 0, 6, '5853300', /column bid price 2: expected a bid price below/, 'DATA'],
  ])('books: %s', async (_, row, column, value, message, code) => {
    const error = await failure(await csv(MESSAGES, changed(BOOKS, row, column, value)));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.details).toMatchObject({ row: row + 1, value });
    expect(error.details.file).toContain(ORDERBOOK);
  });

  test('a level behind an empty one', async () => {
    const books = [...BOOKS.slice(0, 2), `${EMPTY},5859800,10,5853000,150`];
    expect((await failure(await csv(MESSAGES, books))).message).toMatch(/row 3, column ask price 2/);
  });

  test.each<[string, string[], string[], RegExp]>([
    [
      'too few message columns',
      [...MESSAGES.slice(0, 2), '34201,7,0,0,-1'],
      BOOKS,
      /row 3: expected 6 columns .*, found 5/,
    ],
    [
      'too many message columns',
      [`${MESSAGES[0]},1`, ...MESSAGES.slice(1)],
      BOOKS,
      /row 1: expected 6 columns .*, found 7/,
    ],
    ['a blank line in the middle', [MESSAGES[0], '', MESSAGES[1]], BOOKS, /row 2: expected 6 columns .*, found 0/],
    ['book columns that are no levels', MESSAGES, ['1,2,3', ...BOOKS], /row 1: expected 4 columns .*, found 3/],
    [
      'a book row with a level less',
      MESSAGES,
      [BOOKS[0], '5859400,200,5853300,10', BOOKS[2]],
      /row 2: expected 8 columns .*, found 4/,
    ],
    [
      'a book row with a level more',
      MESSAGES,
      [BOOKS[0], `${BOOKS[1]},${EMPTY}`, BOOKS[2]],
      /row 2: expected 8 columns .*, found 12/,
    ],
    ['fewer book rows', MESSAGES, BOOKS.slice(1), /orderbook_2\.csv has 2 rows, but .*message_2\.csv has 3/],
    [
      'more book rows',
      MESSAGES,
      [...BOOKS, BOOKS[2]],
      /orderbook_2\.csv has more than 3 rows, but .*message_2\.csv has 3/,
    ],
    ['a header', ['time,type,id,size,price,direction', ...MESSAGES], BOOKS, /row 1, column time/],
    ['binary', ['\0\x01\x02'], BOOKS, /row 1: expected 6 columns/],
  ])('%s', async (_, messages, books, pattern) => {
    const error = await failure(await csv(messages, books));
    expect(error.message).toMatch(pattern);
    expect(error.code).toBe(/rows, but/.test(error.message) ? 'DATA' : 'FORMAT');
  });

  test('any changed byte gives a session or an error of ours', async () => {
    const good = Buffer.from(`${MESSAGES.join('\n')}\n`);
    const orderbook = await file(BOOKS.join('\n'));
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), async (at, byte) => {
        const bytes = Buffer.from(good);
        bytes[at] = byte;
        await readLobster({ message: await file(bytes), orderbook }).catch((error: FlashbookError) => {
          expect(error).toBeInstanceOf(FlashbookError);
          expect(error.code).not.toBe('INTERNAL');
        });
      }),
      { numRuns: 400 },
    );
  });
});

describe('progress and stopping', () => {
  test.skipIf(AAPL_ZIP === undefined)('progress rises to the total', async () => {
    const seen: ReadProgress[] = [];
    await readLobster(AAPL_ZIP!, { onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(10);
    for (let i = 1; i < seen.length; i++) expect(seen[i].done).toBeGreaterThan(seen[i - 1].done);
    expect(seen.at(-1)).toEqual({ done: seen[0].total, total: seen[0].total, unit: 'bytes' });
  });

  test('an aborted signal stops before anything is read', async () => {
    const reason = new Error('enough');
    await expect(readLobster(join(folder, 'nowhere'), { signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
      code: 'ABORTED',
      cause: reason,
    });
  });

  test.skipIf(AAPL_ZIP === undefined)('a signal stops the reading on the way', async () => {
    const controller = new AbortController();
    let calls = 0;
    const reading = readLobster(AAPL_ZIP!, {
      signal: controller.signal,
      onProgress: () => {
        if (++calls === 3) controller.abort();
      },
    });
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED' });
    expect(calls).toBe(3);
  });
});

describe('real days', () => {
  test.skipIf(GOOG_ZIP === undefined)('GOOG 2012-06-21', async () => {
    const { events, reference, instrument } = await readLobster(GOOG_ZIP!);
    expect(events.length).toBe(147_916);
    expect(reference!.levels).toBe(10);
    expect(instrument).toEqual({ symbol: 'GOOG', venue: 'NASDAQ', priceUnit: 0.0001, sizeUnit: 1, tickSize: 100 });
    const counts = new Map<number, number>();
    for (const type of events.type) counts.set(type, (counts.get(type) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({ 1: 71_258, 2: 19, 3: 64_961, 4: 7_765, 5: 3_913 });
    expect(events.timeNs[1]).toBe(34200059901970n);
    expect(reference!.bidSize[10]).toBe(196);
  });

  test.skipIf(AAPL_CSV === undefined)('AAPL, plain CSV', async () => {
    const { events, reference, instrument } = await readLobster(AAPL_CSV!);
    expect([events.length, reference!.levels, instrument.symbol]).toEqual([999, 10, 'AAPL']);
  });
});
