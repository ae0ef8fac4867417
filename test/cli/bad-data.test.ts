import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AAPL_CSV } from '../data.js';
import { zipOf } from '../market/zip-of.js';
import { flashbook, SMALL_RUN, temporaryFolder } from './command.js';

const MESSAGE = 'TEST_2020-01-01_34200000_57600000_message_2.csv';
const ORDERBOOK = 'TEST_2020-01-01_34200000_57600000_orderbook_2.csv';

const MESSAGES = ['34200.1,1,16,18,5853300,1', '34200.2,4,16,8,5853300,1', '34200.3,4,99,20,5859400,-1'];
const BOOKS = [
  '5859400,200,5853300,18,5859800,10,5853000,150',
  '5859400,200,5853300,10,5859800,10,5853000,150',
  '5859400,180,5853300,10,5859800,10,5853000,150',
];

const folder = temporaryFolder();

/** A folder with the two files of a day. */
async function day(name: string, messages: string[], books: string[]): Promise<void> {
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, MESSAGE), `${messages.join('\n')}\n`);
  await writeFile(join(folder, name, ORDERBOOK), `${books.join('\n')}\n`);
}

/** The command must end with 1 and one sentence, and write nothing. */
async function refused(args: string[], out: string, message: RegExp): Promise<void> {
  const { code, stdout, stderr } = await flashbook(args, { cwd: folder });
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout).toBe('');
  expect(code).toBe(1);
  expect((await readdir(folder)).filter((name) => name.includes(out))).toEqual([]);
}

const changed = (rows: string[], row: number, line: string) => rows.with(row, line);

describe('a market day that cannot be is told by file, row and value, with exit code 1', () => {
  it('the day that the others are made from can be', async () => {
    await day('good', MESSAGES, BOOKS);
    const { code, stdout } = await flashbook(['features', '--data', 'good', '--out', 'good.csv', '--json'], {
      cwd: folder,
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ rows: 3, book: { mismatches: 0, levelsTaken: 0 } });
  });

  const cases: [string, string[], string[], RegExp][] = [
    ['files of different length', MESSAGES, BOOKS.slice(1), /orderbook_2\.csv has 2 rows, but .*message_2\.csv has 3/],
    [
      'a wrong column count',
      changed(MESSAGES, 1, '34200.2,4,16,8,5853300'),
      BOOKS,
      /message_2\.csv.*row 2: expected 6/,
    ],
    ['a word for a number', changed(MESSAGES, 1, '34200.2,4,16,many,5853300,1'), BOOKS, /row 2, column size.*'many'/],
    ['a negative size', changed(MESSAGES, 1, '34200.2,4,16,-8,5853300,1'), BOOKS, /row 2, column size.*'-8'/],
    ['time going back', changed(MESSAGES, 2, '34200.1,4,99,20,5859400,-1'), BOOKS, /row 3, column time.*'34200\.1'/],
    [
      'a crossed book',
      MESSAGES,
      changed(BOOKS, 1, '5853300,200,5853300,10,5859800,10,5853000,150'),
      /orderbook_2\.csv.*row 2, column bid price 1.*crossed.*'5853300'/,
    ],
    [
      'an unknown order that takes more than its level holds',
      changed(MESSAGES, 2, '34200.3,4,99,201,5859400,-1'),
      BOOKS,
      /row 3: order 99 is unknown and takes 201 from ask level 5859400, where unknown orders hold 200/,
    ],
  ];
  for (const [name, messages, books, message] of cases) {
    it(name, async () => {
      const data = name.replaceAll(' ', '-');
      await day(data, messages, books);
      await refused(['features', '--data', data, '--format', 'lobster', '--out', 'bad.csv'], 'bad.csv', message);
    });
  }

  it('a truncated zip', async () => {
    const zip = await zipOf({ [MESSAGE]: MESSAGES.join('\n'), [ORDERBOOK]: BOOKS.join('\n') });
    await writeFile(join(folder, 'cut.zip'), zip.subarray(0, zip.length - 30));
    await refused(
      ['features', '--data', 'cut.zip', '--format', 'lobster', '--out', 'bad.csv'],
      'bad.csv',
      /cut\.zip.*cut short or damaged/,
    );
  });

  it('fewer rows than one window', async () => {
    await day('short', MESSAGES, BOOKS);
    const { code, stderr } = await flashbook(['run', '--data', 'short', '--out', 'short-run'], { cwd: folder });
    expect(stderr).toMatch(/3 rows are fewer than one window of 100/);
    expect(code).toBe(1);
    expect(await readdir(join(folder, 'short-run'))).toEqual([]);
  });

  it('a day in which the mid never moves: one class only', async () => {
    const rows = Array.from({ length: 1000 }, (_, i) => i);
    await day(
      'still',
      rows.map((i) => `${34200 + i},1,${i + 1},1,5853000,1`),
      rows.map((i) => `5859400,200,5853300,18,5859800,10,5853000,${100 + i}`),
    );
    const { code, stderr } = await flashbook(
      ['run', '--data', 'still', '--window', '10', '--horizons', '5', '--out', 'still-run'],
      { cwd: folder },
    );
    expect(stderr).toMatch(/the labels of horizon 5 in rows \d+ to \d+ are all 'flat'/);
    expect(code).toBe(1);
    expect(await readdir(join(folder, 'still-run'))).toEqual([]);
  });
});

it('a disk that is full ends a run before its first step, with nothing half-written', async () => {
  const { code, stderr } = await flashbook(['run', ...SMALL_RUN, '--steps', '2', '--out', 'full'], {
    cwd: folder,
    fileLimit: 8,
  });
  expect(stderr).toMatch(/cannot write full\/\S+/);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(code).toBe(1);
  const files = await readdir(join(folder, 'full'));
  expect(files.filter((name) => /\.tmp$|\.fbk$|\.onnx$|\.html$|metrics/.test(name))).toEqual([]);
});

it.skipIf(AAPL_CSV === undefined)(
  'real rows come through the command line, and the book agrees with the venue',
  async () => {
    const { code, stdout } = await flashbook(
      ['features', '--data', AAPL_CSV!, '--format', 'lobster', '--out', 'aapl.parquet', '--json'],
      { cwd: folder },
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ rows: 999, columns: 89, book: { mismatches: 0, levelsTaken: 318 } });
  },
);
