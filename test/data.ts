import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where real market data lies: FLASHBOOK_DATA, else the folder shared/data beside the checkout. */
export const DATA_FOLDER = process.env.FLASHBOOK_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url));

const missing = new Set<string>();

/**
 * The path of a real data file, or undefined, with one message on stderr, where it is absent; a test that needs it is
 * then skipped: `test.skipIf(GOOG === undefined)(…)`.
 */
export function dataFile(relative: string): string | undefined {
  const path = join(DATA_FOLDER, relative);
  if (existsSync(path)) return path;
  if (!missing.has(relative)) {
    missing.add(relative);
    process.stderr.write(`no ${relative} in ${DATA_FOLDER} (set FLASHBOOK_DATA): the tests that need it are skipped\n`);
  }
  return undefined;
}

/** NASDAQ GOOG, 2012-06-21, full day, 10 levels: 147,916 rows. */
export const GOOG_ZIP = dataFile('lobster/LOBSTER_SampleFile_GOOG_2012-06-21_10.zip');
/** NASDAQ AAPL, 2012-06-21, full day, level 1: 118,497 rows. */
export const AAPL_ZIP = dataFile('lobster/LOBSTER_SampleFile_AAPL_2012-06-21_1.zip');
/** NASDAQ AAPL, 10 levels, the first 999 rows, plain CSV; the order-book file lies beside it. */
export const AAPL_CSV = dataFile('lobster/AAPL_2012-06-21_34200000_57600000_message_10.csv');

function allOf(...files: (string | undefined)[]): string[] | undefined {
  return files.every((file) => file !== undefined) ? (files as string[]) : undefined;
}

/** Binance BTC recordings of 2024-08-08 and 09, minutes around midnight: the second file of a pair goes on with the first. */
export const BINANCE_USD_M = dataFile('binance-l2/usdm_btcusdt_20240808.jsonl.gz');
export const BINANCE_SPOT = allOf(
  dataFile('binance-l2/spot_btcusdt_20240808.jsonl.gz'),
  dataFile('binance-l2/spot_btcusdt_20240809.jsonl.gz'),
);
export const BINANCE_COIN_M = allOf(
  dataFile('binance-l2/cm_btcusd_perp_20240808.jsonl.gz'),
  dataFile('binance-l2/cm_btcusd_perp_20240809.jsonl.gz'),
);
