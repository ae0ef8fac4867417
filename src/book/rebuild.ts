import { invalid } from '../core/errors.js';
import { checkOptions, integer } from '../core/options.js';
import type { BookSnapshots, MarketSession } from '../market/events.js';
import { type LevelDifference, rebuildNative } from '../native/book.js';
import { eventError } from './event-error.js';

export interface RebuildOptions {
  /** Levels of each side in the snapshots. Default 10, or as many as the session's reference has where those are fewer. */
  levels?: number;
  /** Snapshots to fill instead of new ones, of as many rows as there are events and as many levels as are asked for. */
  out?: BookSnapshots;
}

export interface RebuiltBook {
  /** The book after each event, one row an event. */
  readonly snapshots: BookSnapshots;
  /** Whether the venue's own book was there to seed and check the rebuilt one. */
  readonly checked: boolean;
  /** Levels that came into view from beyond the reference's last level and were taken from it. */
  readonly levelsTaken: number;
  /** Rows in which the rebuilt book differs from the reference; after such a row it goes on from the reference. */
  readonly mismatches: number;
  readonly firstMismatch?: LevelDifference & { readonly row: number };
  /** Events of a checked feed at prices beyond the reference's last level: they change nothing that is known. */
  readonly beyondView: number;
}

/**
 * Rebuilds the order book from order-level events, in native code.
 *
 * A session with a `reference` (LOBSTER) is a view: its messages do not tell the orders that rested before the first row
 * or beyond the last level. The book is seeded by the first row of the reference. Orders of unknown id take from the volume
 * at the level that they name which belongs to no known order. After each event every level of the rebuilt book is compared
 * with the reference, and only then a level that has come into view from beyond its last level is taken from it and counted.
 * A session without a reference must tell all orders from an empty book on.
 * A session with a `book` (Binance) has it ready, and it is taken over.
 *
 * @throws FlashbookError `DATA` with file, row (from 1) and value for an event that cannot be: time going back, a crossed
 *   book, an unknown order that takes more than its level holds, an order that differs from what is known of it …;
 *   `OPTION` for wrong options; `SHAPE` for wrong columns; `NATIVE` without the native core
 */
export function rebuildBook(session: MarketSession, options: RebuildOptions = {}): RebuiltBook {
  checkOptions('rebuildBook', options, ['levels', 'out']);
  const { events, reference } = session;
  if (reference !== undefined && reference.length !== events.length) {
    throw invalid('reference', `one row for each of the ${events.length} events`, reference.length, 'SHAPE');
  }
  const most = (reference ?? session.book)?.levels ?? 1000;
  const levels = integer('levels', options.levels ?? options.out?.levels ?? Math.min(10, most), 1, most);
  const snapshots = options.out ?? emptySnapshots(integer('events', events.length, 0), levels);
  if (snapshots.length !== events.length || snapshots.levels !== levels) {
    const found = `${snapshots.length} × ${snapshots.levels}`;
    throw invalid('out', `snapshots of ${events.length} rows × ${levels} levels`, found, 'SHAPE');
  }
  if (session.book !== undefined) return taken(session.book, snapshots);
  const result = rebuildNative(events, snapshots, reference);
  if (result.fault !== 'none') {
    const { row } = result;
    const event = {
      timeNs: events.timeNs[row],
      type: events.type[row],
      orderId: events.orderId[row],
      side: events.side[row],
      price: events.price[row],
      size: events.size[row],
    };
    throw eventError(session.source, row + 1, event, result.fault, result.held);
  }
  const { levelsTaken, mismatchedRows, firstMismatch, beyondView } = result;
  const checked = reference !== undefined;
  return { snapshots, checked, levelsTaken, mismatches: mismatchedRows, firstMismatch, beyondView };
}

/** The best levels of a book that is there already. */
function taken(book: BookSnapshots, snapshots: BookSnapshots): RebuiltBook {
  const { length, levels } = snapshots;
  if (book.length !== length) throw invalid('book', `one row for each of the ${length} events`, book.length, 'SHAPE');
  for (const column of ['askPrice', 'askSize', 'bidPrice', 'bidSize'] as const) {
    for (let row = 0; row < length; row++) {
      const from = row * book.levels;
      snapshots[column].set(book[column].subarray(from, from + levels), row * levels);
    }
  }
  return { snapshots, checked: false, levelsTaken: 0, mismatches: 0, beyondView: 0 };
}

/** Snapshots of `length` rows whose cells are all 0, to be filled. */
export function emptySnapshots(length: number, levels: number): BookSnapshots {
  const cells = length * levels;
  return {
    length,
    levels,
    askPrice: new Int32Array(cells),
    askSize: new Int32Array(cells),
    bidPrice: new Int32Array(cells),
    bidSize: new Int32Array(cells),
  };
}
