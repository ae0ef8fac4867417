import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import { readLines } from './csv.js';
import type { BookSnapshots, EventBatch, Instrument, MarketSession } from './events.js';
import { LobsterMessages } from './lobster-messages.js';
import { LobsterOrderBook } from './lobster-orderbook.js';
import { READ_OPTIONS, ReadMeter, type ReadOptions, throwIfAborted } from './read-options.js';
import { fileSource, firstBytes, looksLikeZip, openArchive, readError, type TextSource } from './text-source.js';

/** The two CSV files of one LOBSTER day. */
export interface LobsterFiles {
  message: string;
  orderbook: string;
}

/**
 * Reads one LOBSTER day: the message file as events and the order-book file as the reference book.
 *
 * @param input a zip archive as LOBSTER delivers it, a folder with the two CSV files, the message file (the order-book
 *   file is looked for beside it, under its name with `orderbook` for `message`), or the two paths.
 * @returns prices in units of 0.0001 dollars, sizes in shares, times in nanoseconds after midnight.
 * @throws FlashbookError `FILE`: missing or unreadable; `FORMAT`: empty, not a zip, cut short, not the two files, wrong
 *   column count, no number; `DATA`: time going back, sizes and prices that cannot be, a crossed book, row counts that
 *   differ; `ABORTED`. All name the file, and the row, column and value where there are such.
 *
 * Format: LOBSTER sample files' read-me, https://lobsterdata.com/info/DataStructure.php
 */
export async function readLobster(input: string | LobsterFiles, options: ReadOptions = {}): Promise<MarketSession> {
  checkOptions('readLobster', options, READ_OPTIONS);
  throwIfAborted(options.signal, 'reading LOBSTER files');
  if (typeof input !== 'string') {
    if (typeof input?.message !== 'string' || typeof input?.orderbook !== 'string') {
      throw invalid('input', 'a path or { message, orderbook }', input);
    }
    return readBoth(await fileSource(input.message), await fileSource(input.orderbook), input.message, options);
  }
  const kind = await kindOf(input);
  if (kind === 'zip') {
    const archive = await openArchive(input);
    try {
      const { message, orderbook } = pickPair(input, archive.sources, (source) => source.baseName);
      return await readBoth(message, orderbook, input, options);
    } finally {
      archive.close();
    }
  }
  const paths = kind === 'folder' ? pickPair(input, await filesIn(input), (path) => path) : besideMessage(input);
  return readBoth(await fileSource(paths.message), await fileSource(paths.orderbook), input, options);
}

/** Whether a file or folder holds LOBSTER data, judged by content: an archive or folder with the two files, or a message file. */
export async function isLobster(path: string): Promise<boolean> {
  const info = await stat(path);
  if (info.isDirectory()) return (await filesIn(path)).some((file) => MESSAGE.test(file));
  if (info.size === 0) return false;
  if (await looksLikeZip(path)) {
    const archive = await openArchive(path);
    archive.close();
    return archive.sources.some((source) => MESSAGE.test(source.baseName));
  }
  const line = Buffer.from(await firstBytes(path, 128))
    .toString('latin1')
    .split(/\r?\n/)[0];
  return /^\d{1,5}(\.\d{1,9})?,[1-7],\d+,\d+,-?\d+,-?1$/.test(line);
}

const MESSAGE = /message(_\d+)?\.csv$/i;
const ORDERBOOK = /orderbook(_\d+)?\.csv$/i;

async function kindOf(path: string): Promise<'zip' | 'folder' | 'message'> {
  try {
    if ((await stat(path)).isDirectory()) return 'folder';
  } catch (cause) {
    throw readError(path, cause);
  }
  // A file that calls itself a zip is treated as one, so that a damaged beginning is told as such.
  return /\.zip$/i.test(path) || (await looksLikeZip(path)) ? 'zip' : 'message';
}

async function filesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).map((name) => join(folder, name));
}

function besideMessage(path: string): LobsterFiles {
  const at = path.toLowerCase().lastIndexOf('message');
  if (at < 0) {
    throw new FlashbookError(
      'FORMAT',
      `cannot tell the order-book file that belongs to ${path}: its name does not contain 'message'; give a LOBSTER zip archive or { message, orderbook }`,
      { file: path },
    );
  }
  return { message: path, orderbook: `${path.slice(0, at)}orderbook${path.slice(at + 'message'.length)}` };
}

/** The one message file and the one order-book file among many. */
function pickPair<T>(where: string, files: T[], name: (file: T) => string): { message: T; orderbook: T } {
  const one = (kind: string, pattern: RegExp): T => {
    const found = files.filter((file) => pattern.test(name(file)));
    if (found.length === 1) return found[0];
    const what =
      found.length === 0
        ? `no ${kind} file (…_${kind}_….csv)`
        : `${found.length} ${kind} files (${found.map(name).join(', ')})`;
    const names = files.slice(0, 8).map(name).join(', ') || 'nothing';
    throw new FlashbookError(
      'FORMAT',
      `${where} has ${what}; expected one message and one orderbook file, found ${names}`,
      {
        file: where,
        value: found.length,
        expected: 1,
      },
    );
  };
  return { message: one('message', MESSAGE), orderbook: one('orderbook', ORDERBOOK) };
}

async function readBoth(
  message: TextSource,
  orderbook: TextSource,
  source: string,
  options: ReadOptions,
): Promise<MarketSession> {
  const meter = new ReadMeter(message.bytes + orderbook.bytes, options, `reading ${source}`);
  const messages = new LobsterMessages(message.name, message.bytes);
  await readLines(message, messages.parse, meter);
  const events = messages.finish();
  const book = new LobsterOrderBook(orderbook.name, message.name, events.length);
  await readLines(orderbook, book.parse, meter);
  const reference = book.finish();
  meter.finish();
  return { instrument: instrumentOf(message.baseName, events, reference), events, reference, source };
}

/**
 * `GOOG_2012-06-21_34200000_57600000_message_10.csv` names the symbol. The tick is a cent from one dollar on (SEC Rule 612). The
 * first row decides: features are counted in ticks, so that a later price must not change those of earlier rows.
 */
function instrumentOf(fileName: string, events: EventBatch, reference: BookSnapshots): Instrument {
  const symbol = fileName.includes('_') ? fileName.split('_')[0] : 'unknown';
  const known = [
    [reference.bidSize[0], reference.bidPrice[0]],
    [reference.askSize[0], reference.askPrice[0]],
    [events.size[0], events.price[0]],
  ].find(([size, price]) => size > 0 && price > 0);
  const tickSize = known !== undefined && known[1] < 10_000 ? 1 : 100;
  return { symbol, venue: 'NASDAQ', priceUnit: 0.0001, sizeUnit: 1, tickSize };
}
