import type { MarketEvent } from '../../src/book/event-error.js';
import {
  type BookSnapshots,
  EMPTY_ASK_PRICE,
  EMPTY_BID_PRICE,
  type EventBatch,
  EventType,
} from '../../src/market/events.js';

interface PlainOrder {
  side: number;
  price: number;
  size: number;
}

/** The book as one would write it first: maps, sorted when asked. Whole feeds only; the oracle of the native one. */
export class PlainBook {
  /** In the order of arrival. */
  readonly orders = new Map<bigint, PlainOrder>();
  #time: bigint | undefined;

  /** Applies an event; returns the name of the fault, or 'none'. */
  apply(event: MarketEvent): string {
    const fault = this.#apply(event);
    if (fault === 'none') this.#time = event.timeNs;
    return fault;
  }

  #apply({ timeNs, type, orderId, side, price, size }: MarketEvent): string {
    if (this.#time !== undefined && timeNs < this.#time) return 'timeBack';
    const order = this.orders.get(orderId);
    switch (type) {
      case EventType.add: {
        if (size <= 0) return 'badSize';
        if (price <= 0) return 'badPrice';
        if (order !== undefined) return 'duplicateOrder';
        const opposite = this.levels(-side)[0];
        if (opposite !== undefined && side * price >= side * opposite.price) return 'crossed';
        this.orders.set(orderId, { side, price, size });
        return 'none';
      }
      case EventType.cancel:
      case EventType.delete:
      case EventType.execute:
        if (size <= 0) return 'badSize';
        if (order === undefined) return 'moreThanLevel';
        if (order.side !== side || order.price !== price) return 'orderDiffers';
        if (size > order.size) return 'moreThanOrder';
        if (type === EventType.delete && size < order.size) return 'lessThanOrder';
        order.size -= size;
        if (order.size === 0) this.orders.delete(orderId);
        return 'none';
      case EventType.executeHidden:
      case EventType.cross:
      case EventType.halt:
        return 'none';
      default:
        return 'unknownType';
    }
  }

  /** The levels of a side, best first. */
  levels(side: number): { price: number; size: number }[] {
    const sizes = new Map<number, number>();
    for (const order of this.orders.values()) {
      if (order.side === side) sizes.set(order.price, (sizes.get(order.price) ?? 0) + order.size);
    }
    return [...sizes].map(([price, size]) => ({ price, size })).sort((a, b) => side * (b.price - a.price));
  }

  /** Volume that arrived before an order at its own price. */
  queueAhead(orderId: bigint): number | undefined {
    const order = this.orders.get(orderId);
    if (order === undefined) return undefined;
    let ahead = 0;
    for (const [id, other] of this.orders) {
      if (id === orderId) return ahead;
      if (other.side === order.side && other.price === order.price) ahead += other.size;
    }
    return ahead;
  }

  /** One row as plain numbers: ask prices, ask sizes, bid prices, bid sizes. */
  row(levels: number): number[][] {
    const asks = this.levels(-1);
    const bids = this.levels(1);
    const pick = (list: typeof asks, key: 'price' | 'size', empty: number): number[] =>
      Array.from({ length: levels }, (_, l) => list[l]?.[key] ?? empty);
    return [
      pick(asks, 'price', EMPTY_ASK_PRICE),
      pick(asks, 'size', 0),
      pick(bids, 'price', EMPTY_BID_PRICE),
      pick(bids, 'size', 0),
    ];
  }
}

/** Row `row` of snapshots, as PlainBook.row() gives it. */
export function rowOf(books: BookSnapshots, row: number): number[][] {
  const part = (column: Int32Array): number[] => [...column.subarray(row * books.levels, (row + 1) * books.levels)];
  return [part(books.askPrice), part(books.askSize), part(books.bidPrice), part(books.bidSize)];
}

/** Rows from PlainBook.row() as snapshots. */
export function snapshotsOf(rows: number[][][], levels: number): BookSnapshots {
  const column = (k: number): Int32Array => Int32Array.from(rows.flatMap((row) => row[k]));
  return {
    length: rows.length,
    levels,
    askPrice: column(0),
    askSize: column(1),
    bidPrice: column(2),
    bidSize: column(3),
  };
}

/** Events as columns. */
export function batchOf(events: MarketEvent[]): EventBatch {
  return {
    length: events.length,
    timeNs: BigInt64Array.from(events, (e) => e.timeNs),
    type: Uint8Array.from(events, (e) => e.type),
    orderId: BigInt64Array.from(events, (e) => e.orderId),
    side: Int8Array.from(events, (e) => e.side),
    price: Int32Array.from(events, (e) => e.price),
    size: Int32Array.from(events, (e) => e.size),
  };
}

/** What a random stream is made from: interpreted against the book, so that most events make sense. */
export interface Intent {
  kind: number;
  bid: boolean;
  offset: number;
  size: number;
  pick: number;
}

/**
 * Turns an intent into an event that fits the book: an order near the touch, or something that happens to one of the
 * resting orders. One in ten is nonsense of some kind where `faults` is set.
 */
export function eventFor(intent: Intent, book: PlainBook, time: bigint, nextId: bigint, faults: boolean): MarketEvent {
  const { kind, bid, offset, size, pick } = intent;
  const resting = [...book.orders];
  const adds = kind < 50 || resting.length === 0;
  const side = bid ? 1 : -1;
  let event: MarketEvent;
  if (adds) {
    const limit = book.levels(-side)[0]?.price ?? 1000;
    event = { timeNs: time, type: EventType.add, orderId: nextId, side, price: limit - side * (1 + offset), size };
  } else if (kind >= 94) {
    event = { timeNs: time, type: 5 + (pick % 3), orderId: 0n, side, price: 1000, size };
  } else {
    const [orderId, order] = resting[pick % resting.length];
    const type = [EventType.cancel, EventType.delete, EventType.execute][kind % 3];
    const part = type === EventType.delete ? order.size : 1 + (size % order.size);
    event = { timeNs: time, type, orderId, side: order.side, price: order.price, size: part };
  }
  if (!faults || pick % 10 !== 7) return event;
  const spoil: Partial<MarketEvent>[] = [
    { timeNs: event.timeNs - 10n },
    { type: 8 + (pick % 100) },
    { size: 0 },
    { size: -event.size },
    { size: event.size + 1 },
    { size: event.size - 1 },
    { orderId: event.orderId + 1_000_000n },
    { orderId: resting[0]?.[0] ?? 1n },
    { price: event.price + event.side * 30 },
    { side: -event.side },
    { price: -event.price },
  ];
  return { ...event, ...spoil[size % spoil.length] };
}
