import { stat } from 'node:fs/promises';
import { FlashbookError } from '../core/errors.js';
import { oneOf } from '../core/options.js';
import { isBinance, readBinance } from './binance.js';
import type { MarketSession } from './events.js';
import { isLobster, readLobster } from './lobster.js';
import type { ReadOptions } from './read-options.js';
import { readError } from './text-source.js';

/**
 * A market data format. To add one: write its reader in a file of its own, and enter it in FEEDS below; the command
 * line, the pipeline and detectFormat() take it from there.
 */
export interface Feed {
  /** For people: what the format is. */
  readonly title: string;
  /** Whether the content of a file or folder looks like this format. Names are no proof, and errors mean no. */
  detect(path: string): Promise<boolean>;
  /** Reads one session. Errors name file, row, column and value. */
  read(path: string, options?: ReadOptions): Promise<MarketSession>;
}

/** Every format that can be read, by the name that `--format` takes. */
export const FEEDS = {
  lobster: {
    title: 'LOBSTER (NASDAQ): order messages and the order book after each, as a zip or two CSV files',
    detect: isLobster,
    read: readLobster,
  },
  binance: {
    title:
      'Binance: a recording of websocket messages (depth, bookTicker, trade) with a snapshot, as JSON lines, plain or gzip',
    detect: isBinance,
    read: readBinance,
  },
} satisfies Record<string, Feed>;

export type FeedName = keyof typeof FEEDS;
export const FEED_NAMES = Object.keys(FEEDS) as FeedName[];

/**
 * The format of a file or folder, judged by its content.
 * @throws FlashbookError `FILE` when there is no such path; `FORMAT` when no known format fits.
 */
export async function detectFormat(path: string): Promise<FeedName> {
  try {
    await stat(path);
  } catch (cause) {
    throw readError(path, cause);
  }
  for (const name of FEED_NAMES) {
    if (await FEEDS[name].detect(path).catch(() => false)) return name;
  }
  throw new FlashbookError(
    'FORMAT',
    `${path} is in no known format; known are ${FEED_NAMES.join(', ')} (name one with --format to be told what is wrong with it)`,
    {
      file: path,
    },
  );
}

/** Reads a session in the named format, or in the one that detectFormat() finds. */
export async function readSession(path: string, format?: FeedName, options: ReadOptions = {}): Promise<MarketSession> {
  const name = format === undefined ? await detectFormat(path) : oneOf('format', format, FEED_NAMES);
  return FEEDS[name].read(path, options);
}
