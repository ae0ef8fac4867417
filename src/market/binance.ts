import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, integer, oneOf } from '../core/options.js';
import { BinanceBook, type GapPolicy } from './binance-book.js';
import { BinanceLines } from './binance-messages.js';
import { readLines } from './csv.js';
import type { MarketSession } from './events.js';
import { READ_OPTIONS, ReadMeter, type ReadOptions, throwIfAborted } from './read-options.js';
import { fileSource, gzipSource, looksLikeGzip, readError, type TextSource } from './text-source.js';

export interface BinanceOptions extends ReadOptions {
  /** Levels of each side in the book's rows. Default 10. */
  levels?: number;
  /** Where update ids are missing: 'error' (default), or 'resync', to go on from the next snapshot. */
  onGap?: GapPolicy;
}

/**
 * Reads a recording of Binance's websocket streams, spot, USD-M or COIN-M: one line a message, the local time in nanoseconds since
 * the epoch, a space, and the message as JSON. It takes depth differences (`depthUpdate`), `bookTicker`, `trade` and the REST
 * snapshot of the book (`lastUpdateId`), and passes over all others.
 *
 * The book is kept by the exchange's rules (see `BinanceBook`) and checked: no gap, never crossed, the same best levels as a
 * bookTicker of the same update id. One row for each message that changes the best `levels` levels, and for each trade. The
 * feed does not tell orders, so a row's event is the change nearest to the best prices, as if it were one order (see
 * `nearestChange`), of id 0; a trade is an `execute` of the resting side, and the size that it takes is told once more by the book
 * that follows. Times are those of reception, so a row holds nothing that was not there.
 *
 * @param input a file, plain or gzip; a folder with the files of one instrument, which are read in the order of their names; or a
 *   list of files that follow each other
 * @returns prices and sizes in units of the last decimal that the snapshot uses, the book beside the events
 * @throws FlashbookError `FILE`: missing or unreadable; `FORMAT`: empty, damaged, no such messages, a field that is none; `DATA`: a gap,
 *   a crossed book, time going back, another instrument, no snapshot; `ABORTED`. All name file, row, field, value and what was expected.
 */
export async function readBinance(
  input: string | readonly string[],
  options: BinanceOptions = {},
): Promise<MarketSession> {
  checkOptions('readBinance', options, [...READ_OPTIONS, 'levels', 'onGap']);
  const levels = integer('levels', options.levels ?? 10, 1, 1000);
  const onGap = oneOf<GapPolicy>('onGap', options.onGap ?? 'error', ['error', 'resync']);
  throwIfAborted(options.signal, 'reading a Binance recording');
  const files = typeof input === 'string' ? await recordingFiles(input) : input;
  if (!Array.isArray(files) || files.length === 0) throw invalid('input', 'a path or a list of paths', input);
  const source = typeof input === 'string' ? input : files.map((file) => basename(file)).join(', ');

  const sources = await Promise.all(files.map(sourceOf));
  const bytes = sources.reduce((sum, each) => sum + each.bytes, 0);
  const meter = new ReadMeter(bytes, options, `reading ${source}`);
  const book = new BinanceBook(levels, onGap);
  let time = 0n;
  for (const each of sources) {
    const lines = new BinanceLines(
      each.name,
      (message, timeNs, place) => {
        time = timeNs;
        book.take(message, timeNs, place);
      },
      time,
    );
    await readLines(each, lines.parse, meter);
  }
  meter.finish();
  const { instrument } = book;
  if (instrument === undefined || book.rows.length === 0) {
    const found =
      instrument === undefined ? 'it has no snapshot of the book (lastUpdateId)' : 'nothing follows its snapshot';
    throw new FlashbookError(
      'DATA',
      `${source} gives no row: ${found}; a book begins with one and goes on with differences: read this recording behind the one before it`,
      { file: source },
    );
  }
  return { instrument, ...book.rows.finish(), source };
}

/** Whether a file, or the first recording in a folder, begins with a line of such a recording. */
export async function isBinance(path: string): Promise<boolean> {
  const [first] = await recordingFiles(path);
  const stream = await (await sourceOf(first)).open();
  try {
    for await (const chunk of stream) {
      return /^\d{10,19} \{.*"(stream|lastUpdateId|depthUpdate)"/.test((chunk as Buffer).toString('latin1', 0, 4096));
    }
    return false;
  } finally {
    stream.destroy();
  }
}

async function recordingFiles(path: string): Promise<string[]> {
  let names: string[];
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    names = await readdir(path);
  } catch (cause) {
    throw readError(path, cause);
  }
  const files = names.filter((name) => /\.jsonl?(\.gz)?$/i.test(name)).sort();
  if (files.length > 0) return files.map((name) => join(path, name));
  throw new FlashbookError('FORMAT', `${path} has no recording (….jsonl or .jsonl.gz)`, { file: path });
}

async function sourceOf(path: string): Promise<TextSource> {
  return (await looksLikeGzip(path)) ? gzipSource(path) : fileSource(path);
}
