import { type BookSnapshots, type EventBatch, EventType } from './events.js';

/** The best levels of both sides at one moment, best first. */
export interface LevelView {
  askPrice: Int32Array;
  askSize: Int32Array;
  bidPrice: Int32Array;
  bidSize: Int32Array;
}

const COLUMNS = ['askPrice', 'askSize', 'bidPrice', 'bidSize'] as const;

export function emptyView(levels: number): LevelView {
  const column = () => new Int32Array(levels);
  return { askPrice: column(), askSize: column(), bidPrice: column(), bidSize: column() };
}

/** What changed between two views, told as if it were one order: an `EventType`, side, price, size. */
export interface LevelChange {
  type: EventType;
  side: 1 | -1;
  price: number;
  size: number;
}

/**
 * The change nearest to the best prices; undefined where both views are the same. A feed of levels does not tell orders, so more
 * size at a price is an `add`, less a `cancel`, a better price that appears an `add` of all its size, a level that is gone a
 * `delete`. Where both sides change at the same depth, the larger change is told.
 */
export function nearestChange(before: LevelView, after: LevelView): LevelChange | undefined {
  const levels = before.askPrice.length;
  for (let l = 0; l < levels; l++) {
    const bid = levelChange(1, before.bidPrice[l], before.bidSize[l], after.bidPrice[l], after.bidSize[l]);
    const ask = levelChange(-1, before.askPrice[l], before.askSize[l], after.askPrice[l], after.askSize[l]);
    if (bid !== undefined || ask !== undefined) return (bid?.size ?? 0) >= (ask?.size ?? 0) ? bid : ask;
  }
  return undefined;
}

function levelChange(
  side: 1 | -1,
  price: number,
  size: number,
  nextPrice: number,
  next: number,
): LevelChange | undefined {
  if (price === nextPrice) {
    if (size === next) return undefined;
    return next > size
      ? { type: EventType.add, side, price, size: next - size }
      : { type: EventType.cancel, side, price, size: size - next };
  }
  const better = size === 0 || (next > 0 && side * (nextPrice - price) > 0);
  return better
    ? { type: EventType.add, side, price: nextPrice, size: next }
    : { type: EventType.delete, side, price, size };
}

/** Collects rows of a feed of levels: an event, and the book after it. */
export class LevelRows {
  #length = 0;
  #timeNs = new BigInt64Array(1024);
  #type = new Uint8Array(1024);
  #side = new Int8Array(1024);
  #price = new Int32Array(1024);
  #size = new Int32Array(1024);
  readonly #book: LevelView;

  constructor(readonly levels: number) {
    this.#book = emptyView(1024 * levels);
  }

  get length(): number {
    return this.#length;
  }

  push(timeNs: bigint, { type, side, price, size }: LevelChange, view: LevelView): void {
    const row = this.#length;
    if (row === this.#type.length) this.#grow();
    this.#timeNs[row] = timeNs;
    this.#type[row] = type;
    this.#side[row] = side;
    this.#price[row] = price;
    this.#size[row] = size;
    for (const column of COLUMNS) this.#book[column].set(view[column], row * this.levels);
    this.#length++;
  }

  finish(): { events: EventBatch; book: BookSnapshots } {
    const { levels } = this;
    const length = this.#length;
    const [askPrice, askSize, bidPrice, bidSize] = COLUMNS.map((column) =>
      this.#book[column].slice(0, length * levels),
    );
    return {
      events: {
        length,
        timeNs: this.#timeNs.slice(0, length),
        type: this.#type.slice(0, length),
        orderId: new BigInt64Array(length),
        side: this.#side.slice(0, length),
        price: this.#price.slice(0, length),
        size: this.#size.slice(0, length),
      },
      book: { length, levels, askPrice, askSize, bidPrice, bidSize },
    };
  }

  #grow(): void {
    this.#timeNs = doubled(BigInt64Array, this.#timeNs);
    this.#type = doubled(Uint8Array, this.#type);
    this.#side = doubled(Int8Array, this.#side);
    this.#price = doubled(Int32Array, this.#price);
    this.#size = doubled(Int32Array, this.#size);
    for (const column of COLUMNS) this.#book[column] = doubled(Int32Array, this.#book[column]);
  }
}

function doubled<T extends { length: number; set(from: T): void }>(make: new (length: number) => T, old: T): T {
  const column = new make(2 * old.length);
  column.set(old);
  return column;
}
