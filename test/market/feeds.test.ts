import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { detectFormat, FEED_NAMES, FEEDS, readSession } from '../../src/market/feeds.js';
import { AAPL_CSV, AAPL_ZIP } from '../data.js';
import { zipOf } from './zip-of.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flashbook-feeds-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe('detectFormat', () => {
  test('knows LOBSTER by content, whatever the name', async () => {
    expect(await detectFormat(await file('data', '34200.015105074,1,16113575,18,5853300,1\r\n'))).toBe('lobster');
    const zip = await zipOf({ 'X_message_1.csv': 'x', 'X_orderbook_1.csv': 'x' });
    expect(await detectFormat(await file('archive.bin', zip))).toBe('lobster');
    await file('Y_message_1.csv', '');
    expect(await detectFormat(folder)).toBe('lobster');
  });

  test('knows Binance recordings by content, plain or gzip', async () => {
    const line = '1723161255319702566 {"lastUpdateId":1,"bids":[["1.0","1"]],"asks":[["2.0","1"]]}';
    expect(await detectFormat(await file('recording', line))).toBe('binance');
    expect(await detectFormat(await file('recording.gz', gzipSync(line)))).toBe('binance');
  });

  test.skipIf(AAPL_ZIP === undefined || AAPL_CSV === undefined)('knows the real files', async () => {
    expect(await detectFormat(AAPL_ZIP!)).toBe('lobster');
    expect(await detectFormat(AAPL_CSV!)).toBe('lobster');
  });

  test.each([
    ['empty', ''],
    ['text.zip', 'no zip at all'],
    ['other.csv', 'time,open,high,low,close\n1,2,3,4,5\n'],
    ['cut.zip', Buffer.from([0x50, 0x4b, 3, 4, 0, 0])],
  ])('refuses %s and names the known formats', async (name, content) => {
    await expect(detectFormat(await file(name, content))).rejects.toMatchObject({
      code: 'FORMAT',
      message: expect.stringContaining('known are lobster'),
    });
  });

  test('says that a file is missing', async () => {
    await expect(detectFormat(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'FILE' });
  });
});

describe('readSession', () => {
  test('reads by the named format or the one found', async () => {
    const path = await file(
      'Z.zip',
      await zipOf({ 'Z_message_1.csv': '34200,1,1,100,9900,1', 'Z_orderbook_1.csv': '10000,100,9900,100' }),
    );
    for (const format of [undefined, 'lobster'] as const) {
      expect((await readSession(path, format)).instrument.symbol).toBe('Z');
    }
    await expect(readSession(path, 'lobsta' as never)).rejects.toThrow(/did you mean 'lobster'/);
  });

  test('every feed has a title', () => {
    for (const name of FEED_NAMES) expect(FEEDS[name].title.length).toBeGreaterThan(10);
  });
});
