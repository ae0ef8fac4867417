import { FlashbookError } from '../core/errors.js';
import { checkOptions, finite, integer } from '../core/options.js';
import type { RowRange } from './labels.js';

export interface SplitOptions {
  /** Shares of the rows, in order of time; they add up to at most 1. Default 0.6, 0.2, 0.2. */
  train?: number;
  validation?: number;
  test?: number;
  /** How many rows a label reaches forward: the longest horizon. */
  purge: number;
  /** Further rows left out after each border. Default 0. */
  embargo?: number;
  /** Rows of a window, its own row included (`steps`); labels of base 'past' reach back `horizon` rows: give the larger. Default 1. */
  window?: number;
}

/** Rows that may be the last row of a window, part by part. */
export interface Split {
  readonly train: RowRange;
  readonly validation: RowRange;
  readonly test: RowRange;
}

/**
 * Cuts a session into three blocks in order of time, and keeps of each the rows whose window and label lie wholly inside
 * the block:
 *
 *     block   [ first ………………………………………………… next )
 *     kept    [ first + embargo + window − 1 … next − purge )       (no embargo before the first block)
 *
 * so that no window and no label of one part touches a row of another (purging: López de Prado 2018, chapter 7). Features
 * themselves look back over `featureMemory` rows, which is the past at the time and no label; an embargo of that many
 * rows cuts this too.
 *
 * @throws FlashbookError `OPTION` for shares that cannot be, `DATA` where a part keeps no row
 */
export function walkForwardSplit(rows: number, options: SplitOptions): Split {
  checkOptions('walkForwardSplit', options, ['train', 'validation', 'test', 'purge', 'embargo', 'window']);
  integer('rows', rows, 0);
  const shares = {
    train: finite('train', options.train ?? 0.6, 0, 1),
    validation: finite('validation', options.validation ?? 0.2, 0, 1),
    test: finite('test', options.test ?? 0.2, 0, 1),
  };
  const purge = integer('purge', options.purge, 0);
  const embargo = integer('embargo', options.embargo ?? 0, 0);
  const window = integer('window', options.window ?? 1, 1);
  const total = shares.train + shares.validation + shares.test;
  if (total > 1 + 1e-9) {
    throw new FlashbookError(
      'OPTION',
      `expected shares of train, validation and test that add up to at most 1 but received ${total}`,
      { total },
    );
  }
  if (rows < window) {
    throw new FlashbookError(
      'DATA',
      `${rows} rows are fewer than one window of ${window}; give more rows or a shorter window`,
      { rows, window },
    );
  }
  // A hair is added so that 0.6 + 0.2 of 10 rows is 8 although the sum is 0.8 less a rounding.
  const border = (share: number) => Math.min(rows, Math.floor(share * rows + 1e-6));
  const borders = [0, border(shares.train), border(shares.train + shares.validation), border(total)];
  const part = (name: keyof typeof shares, index: number): RowRange => {
    const first = borders[index];
    const next = borders[index + 1];
    const start = first + (index === 0 ? 0 : embargo) + window - 1;
    const end = next - purge;
    if (shares[name] > 0 && end <= start) {
      throw new FlashbookError(
        'DATA',
        `the ${name} part has ${next - first} of ${rows} rows, which leaves none after a window of ${window}, a purge of ${purge}` +
          `${index === 0 ? '' : ` and an embargo of ${embargo}`}; give more rows, a larger share, a shorter window or horizon`,
        { part: name, rows, window, purge, embargo },
      );
    }
    return end <= start ? { start: first, end: first } : { start, end };
  };
  return { train: part('train', 0), validation: part('validation', 1), test: part('test', 2) };
}

/** Rows of a range, every `stride`-th from its first. */
export function sampleRows(range: RowRange, stride = 1): Int32Array {
  integer('stride', stride, 1);
  const count = Math.max(0, Math.ceil((range.end - range.start) / stride));
  return Int32Array.from({ length: count }, (_, i) => range.start + i * stride);
}
