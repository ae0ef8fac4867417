import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, integer } from '../core/options.js';
import type { BookSnapshots } from '../market/events.js';
import { type LevelDifference, NativeBook } from '../native/book.js';
import { eventError, type MarketEvent } from './event-error.js';
import { emptySnapshots } from './rebuild.js';

export interface OrderBookOptions {
  /** Levels of each side that snapshot() gives. Default 10. */
  levels?: number;
  /** What errors call the stream of events. Default 'events'. */
  source?: string;
  /**
   * Start as a view: row `row` of the venue's own book (with exactly `levels` levels) after `event`. What rests beyond its
   * last level is then unknown, and observe() compares. Without it the book starts empty and the feed must tell every order.
   */
  seed?: { books: BookSnapshots; row?: number; event: MarketEvent };
}

/** What observe() found. */
export interface BookObservation {
  /** Sides that differ: 0, 1 or 2. They now hold what the venue has. */
  readonly mismatches: number;
  /** Levels that came into view from beyond and were taken from the venue's book. */
  readonly taken: number;
  readonly firstMismatch?: LevelDifference;
}

/**
 * A limit order book that is fed event by event: the same native code as rebuildBook(), for live streams.
 * An event costs well below a microsecond; nothing is allocated but what observe() and snapshot() return.
 */
export class OrderBook {
  readonly levels: number;
  readonly #source: string;
  readonly #view: boolean;
  #book: NativeBook | undefined;
  #rows = 0;

  constructor(options: OrderBookOptions = {}) {
    checkOptions('OrderBook', options, ['levels', 'source', 'seed']);
    const { levels = 10, source = 'events', seed } = options;
    this.levels = integer('levels', levels, 1, 1000);
    this.#source = source;
    this.#view = seed !== undefined;
    this.#book = new NativeBook(this.levels, this.#view);
    if (seed === undefined) return;
    const row = this.#checkBooks('seed.books', seed.books, seed.row ?? 0);
    const { timeNs, type, orderId, side, price, size } = seed.event;
    const fault = this.#book.seed(seed.books, row, timeNs, type, orderId, side, price, size);
    this.#rows = 1;
    if (fault !== 'none') throw eventError(source, 1, seed.event, fault, this.#book.held);
  }

  /**
   * Applies one event; a refused event leaves the book as it was.
   * @throws FlashbookError `DATA` with row and value, as rebuildBook()
   */
  apply(event: MarketEvent): void {
    const book = this.#open();
    this.#rows++;
    const fault = book.apply(event.timeNs, event.type, event.orderId, event.side, event.price, event.size);
    if (fault !== 'none') throw eventError(this.#source, this.#rows, event, fault, book.held);
  }

  /** Compares a seeded book with a row of the venue's own book after the same event, and takes what has come into view. */
  observe(books: BookSnapshots, row: number): BookObservation {
    if (!this.#view) throw new FlashbookError('OPTION', 'observe() needs a book that was made with the option seed');
    const book = this.#open();
    const { mismatches, taken, ...difference } = book.observe(books, this.#checkBooks('books', books, row));
    return mismatches === 0 ? { mismatches, taken } : { mismatches, taken, firstMismatch: difference };
  }

  /** The best levels now, as one row; written into row `row` of `out` where that is given. */
  snapshot(out: BookSnapshots = emptySnapshots(1, this.levels), row = 0): BookSnapshots {
    this.#open().read(out, this.#checkBooks('out', out, row));
    return out;
  }

  /** Number of resting orders whose ids are known. */
  get orders(): number {
    return this.#open().orders();
  }

  /** Number of known price levels of a side (+1 bids, −1 asks), which may be more than `levels`. */
  levelCount(side: 1 | -1): number {
    return this.#open().levelCount(side);
  }

  /** Lots that stand ahead of an order at its own level, in the order of time; undefined for an unknown order. */
  queueAhead(orderId: bigint): number | undefined {
    const ahead = this.#open().queueAhead(orderId);
    return ahead < 0 ? undefined : ahead;
  }

  /** Bytes that the book holds outside JavaScript's heap. */
  memory(): { bytes: number } {
    return { bytes: this.#book?.bytes() ?? 0 };
  }

  /** Lets the native book go. Idempotent; any other call after it is an error. */
  dispose(): void {
    this.#book = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #open(): NativeBook {
    if (this.#book === undefined) throw new FlashbookError('DISPOSED', 'the order book has been disposed');
    return this.#book;
  }

  /** Checks that row `row` of `books` is there in full, and returns `row`. */
  #checkBooks(name: string, books: BookSnapshots, row: number): number {
    const { levels } = this;
    if (books.levels !== levels) throw invalid(`${name}.levels`, `${levels}, as the book has`, books.levels, 'SHAPE');
    if (!Number.isInteger(row) || row < 0 || row >= books.length) {
      throw invalid(`${name} row`, `an integer between 0 and ${books.length - 1}`, row);
    }
    const cells = (row + 1) * levels;
    const fits = (column: unknown): boolean => column instanceof Int32Array && column.length >= cells;
    if (fits(books.askPrice) && fits(books.askSize) && fits(books.bidPrice) && fits(books.bidSize)) return row;
    const column = LEVEL_COLUMNS.find((key) => !fits(books[key])) as (typeof LEVEL_COLUMNS)[number];
    throw invalid(`${name}.${column}`, `an Int32Array of at least ${cells}`, books[column], 'SHAPE');
  }
}

const LEVEL_COLUMNS = ['askPrice', 'askSize', 'bidPrice', 'bidSize'] as const;
