/** The native order book; its meaning is told in src/book. */
import { FlashbookError, invalid } from '../core/errors.js';
import { translated } from './addon.js';
import { requireAddon } from './load.js';

/** Columns of events, as in `EventBatch`. */
export interface OrderEventColumns {
  readonly length: number;
  readonly timeNs: BigInt64Array;
  readonly type: Uint8Array;
  readonly orderId: BigInt64Array;
  readonly side: Int8Array;
  readonly price: Int32Array;
  readonly size: Int32Array;
}

/** Columns of books (rows × levels), as in `BookSnapshots`. */
export interface BookLevelColumns {
  readonly length: number;
  readonly levels: number;
  readonly askPrice: Int32Array;
  readonly askSize: Int32Array;
  readonly bidPrice: Int32Array;
  readonly bidSize: Int32Array;
}

/** Why the book refuses an event, by native number (`BookFault` in native/book/order_book.h). */
export const BOOK_FAULTS = [
  'none',
  'timeBack',
  'unknownType',
  'badSide',
  'badSize',
  'badPrice',
  'duplicateOrder',
  'crossed',
  'orderDiffers',
  'moreThanOrder',
  'lessThanOrder',
  'moreThanLevel',
  'tooLarge',
] as const;
export type BookFault = (typeof BOOK_FAULTS)[number];

/** A level in which the rebuilt book and the venue's differ. */
export interface LevelDifference {
  /** +1 bids, −1 asks. */
  side: number;
  /** 0 is the best level. */
  level: number;
  price: number;
  size: number;
  expectedPrice: number;
  expectedSize: number;
}

interface NativeRebuild extends LevelDifference {
  fault: number;
  row: number;
  held: number;
  levelsTaken: number;
  mismatchedRows: number;
  beyondView: number;
  firstMismatchRow: number;
}

interface NativeObservation extends LevelDifference {
  mismatches: number;
  taken: number;
}

interface NativeOrderBook {
  apply(): number;
  seed(): number;
  observe(report: object): void;
  read(): void;
  orders(): number;
  levels(side: number): number;
  queueAhead(): number;
  bytes(): number;
}

declare module './addon.js' {
  interface Addon {
    rebuildBook(length: number, ...columnsAndLevels: unknown[]): NativeRebuild;
    NativeOrderBook: new (levels: number, view: boolean, mailbox: ArrayBuffer) => NativeOrderBook;
  }
}

export interface Rebuild {
  fault: BookFault;
  /** Row of the refused event. */
  row: number;
  /** What the book held against it: a size, a price or a time in nanoseconds, by kind of fault. */
  held: number;
  levelsTaken: number;
  mismatchedRows: number;
  beyondView: number;
  firstMismatch: (LevelDifference & { row: number }) | undefined;
}

/**
 * Fills `out` with the book after each event. With `venue` the feed is a view that is seeded and checked by it.
 *
 * @throws FlashbookError `SHAPE` for a column of the wrong type, length or kind of memory; `NATIVE` without the native core
 */
export function rebuildNative(
  events: OrderEventColumns,
  out: BookLevelColumns,
  venue: BookLevelColumns | undefined,
): Rebuild {
  const { length } = events;
  const columns: [string, unknown, ColumnType, number][] = [
    ['timeNs', events.timeNs, BigInt64Array, length],
    ['type', events.type, Uint8Array, length],
    ['orderId', events.orderId, BigInt64Array, length],
    ['side', events.side, Int8Array, length],
    ['price', events.price, Int32Array, length],
    ['size', events.size, Int32Array, length],
  ];
  const levelColumns = (what: string, books: BookLevelColumns): typeof columns =>
    (['askPrice', 'askSize', 'bidPrice', 'bidSize'] as const).map((name) => [
      `${what}${name}`,
      books[name],
      Int32Array,
      length * books.levels,
    ]);
  const outColumns = levelColumns('', out);
  const venueColumns = venue === undefined ? [] : levelColumns('reference.', venue);
  for (const column of [...columns, ...outColumns, ...venueColumns]) checkColumn(...column);
  const values = (list: typeof columns): unknown[] => list.map(([, array]) => array);
  let raw: NativeRebuild;
  try {
    raw = requireAddon().rebuildBook(
      length,
      ...values(columns),
      out.levels,
      ...values(outColumns),
      venue?.levels ?? 0,
      ...values(venueColumns),
    );
  } catch (error) {
    throw translated(error);
  }
  const { fault, row, held, levelsTaken, mismatchedRows, beyondView, firstMismatchRow, ...difference } = raw;
  return {
    fault: BOOK_FAULTS[fault],
    row,
    held,
    levelsTaken,
    mismatchedRows,
    beyondView,
    firstMismatch: firstMismatchRow < 0 ? undefined : { row: firstMismatchRow, ...difference },
  };
}

const MAILBOX_HEAD = 40;

/**
 * A book that is fed event by event. Events and levels travel in a mailbox (an ArrayBuffer laid out as `Mailbox` in
 * native/addon/book.cc) that never leaves this object.
 */
export class NativeBook {
  readonly #book: NativeOrderBook;
  readonly #big: BigInt64Array;
  readonly #words: Int32Array;
  readonly #held: Float64Array;
  /** Ask prices, ask sizes, bid prices, bid sizes of `levels` levels each. */
  readonly #rows: readonly [Int32Array, Int32Array, Int32Array, Int32Array];

  constructor(
    readonly levels: number,
    view: boolean,
  ) {
    const mailbox = new ArrayBuffer(MAILBOX_HEAD + 16 * levels);
    try {
      this.#book = new (requireAddon().NativeOrderBook)(levels, view, mailbox);
    } catch (error) {
      throw translated(error);
    }
    this.#big = new BigInt64Array(mailbox, 0, 2);
    this.#words = new Int32Array(mailbox, 16, 4);
    this.#held = new Float64Array(mailbox, 32, 1);
    const part = (k: number): Int32Array => new Int32Array(mailbox, MAILBOX_HEAD + 4 * levels * k, levels);
    this.#rows = [part(0), part(1), part(2), part(3)];
  }

  /** What the book held against the event that it refused last. */
  get held(): number {
    return this.#held[0];
  }

  apply(timeNs: bigint, type: number, orderId: bigint, side: number, price: number, size: number): BookFault {
    this.#mail(timeNs, type, orderId, side, price, size);
    return BOOK_FAULTS[this.#book.apply()];
  }

  /** Starts a view from row `row` of the venue's books, after this event. */
  seed(
    venue: BookLevelColumns,
    row: number,
    timeNs: bigint,
    type: number,
    orderId: bigint,
    side: number,
    price: number,
    size: number,
  ): BookFault {
    this.#load(venue, row);
    this.#mail(timeNs, type, orderId, side, price, size);
    return BOOK_FAULTS[this.#book.seed()];
  }

  observe(venue: BookLevelColumns, row: number): NativeObservation {
    this.#load(venue, row);
    const report = {};
    this.#book.observe(report);
    return report as NativeObservation;
  }

  /** Writes the best levels into row `row` of `out`. */
  read(out: BookLevelColumns, row: number): void {
    this.#book.read();
    const { askPrice, askSize, bidPrice, bidSize } = out;
    const [fromAskPrice, fromAskSize, fromBidPrice, fromBidSize] = this.#rows;
    // A loop: four calls of TypedArray.set() cost more than forty cells.
    for (let l = 0, to = row * this.levels; l < this.levels; l++, to++) {
      askPrice[to] = fromAskPrice[l];
      askSize[to] = fromAskSize[l];
      bidPrice[to] = fromBidPrice[l];
      bidSize[to] = fromBidSize[l];
    }
  }

  orders(): number {
    return this.#book.orders();
  }

  levelCount(side: number): number {
    return this.#book.levels(side);
  }

  queueAhead(orderId: bigint): number {
    this.#big[1] = orderId;
    return this.#book.queueAhead();
  }

  bytes(): number {
    return this.#book.bytes();
  }

  #mail(timeNs: bigint, type: number, orderId: bigint, side: number, price: number, size: number): void {
    const words = this.#words;
    words[0] = price;
    words[1] = size;
    words[2] = type;
    words[3] = side;
    // A number that is no int32 would arrive as another one.
    if (words[0] !== price || words[1] !== size || words[2] !== type || words[3] !== side) {
      throw invalid('event', '32-bit integers for price, size, type and side', [price, size, type, side]);
    }
    this.#big[0] = timeNs;
    this.#big[1] = orderId;
  }

  #load(venue: BookLevelColumns, row: number): void {
    const from = row * this.levels;
    const columns = [venue.askPrice, venue.askSize, venue.bidPrice, venue.bidSize];
    for (let k = 0; k < 4; k++) this.#rows[k].set(columns[k].subarray(from, from + this.levels));
  }
}

type ColumnType = new (length: number) => ArrayLike<unknown> & ArrayBufferView;

/** Native code reads whole columns: each must be of its own class, exactly as long as said, over plain memory. */
function checkColumn(name: string, array: unknown, type: ColumnType, length: number): void {
  const expected = `${type.name}(${length})`;
  if (!(array instanceof type) || array.length !== length) throw invalid(name, expected, array, 'SHAPE');
  const buffer: unknown = array.buffer;
  if (!(buffer instanceof ArrayBuffer) || (buffer as { resizable?: boolean }).resizable === true) {
    throw new FlashbookError(
      'SHAPE',
      `expected ${expected} over its own plain memory for ${name}; shared and resizable buffers may change while native code reads them; pass a copy (array.slice())`,
      { name },
    );
  }
}
