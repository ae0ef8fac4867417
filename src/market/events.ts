/** What happened to an order. The numbers are those of LOBSTER's message files. */
export const EventType = {
  /** A new limit order rests in the book. */
  add: 1,
  /** Part of a resting order is cancelled; `size` is the part. */
  cancel: 2,
  /** A resting order is deleted; `size` is what was left of it. */
  delete: 3,
  /** A resting visible order is executed; `size` is the executed part. */
  execute: 4,
  /** A hidden order is executed; the visible book does not change. */
  executeHidden: 5,
  /** An auction trade; the visible book does not change. */
  cross: 6,
  /** Trading halts (price −1), quoting resumes (0) or trading resumes (1). */
  halt: 7,
} as const;
export type EventType = (typeof EventType)[keyof typeof EventType];

/** What is traded and in which units its integers count. */
export interface Instrument {
  symbol: string;
  venue: string;
  /** Price of one tick in the quote currency; prices are integer ticks. LOBSTER: 0.0001 dollars. */
  priceUnit: number;
  /** Quantity of one lot; sizes are integer lots. Shares: 1. */
  sizeUnit: number;
  /** The smallest price step that visible orders use, in ticks. LOBSTER stocks above one dollar: 100. */
  tickSize: number;
}

/**
 * Order-level market events in columns, oldest first. `length` rows; a row is one event.
 * Times never go back. An event's side is that of the resting order.
 */
export interface EventBatch {
  readonly length: number;
  /** Integer nanoseconds since midnight or the epoch, as the feed has it. */
  readonly timeNs: BigInt64Array;
  readonly type: Uint8Array;
  readonly orderId: BigInt64Array;
  /** +1 a buy order (bid), −1 a sell order (ask). */
  readonly side: Int8Array;
  /** Integer ticks. */
  readonly price: Int32Array;
  /** Integer lots. */
  readonly size: Int32Array;
}

/** The best `levels` levels of each side, one row a moment, row-major (rows × levels), best level first. */
export interface BookSnapshots {
  readonly length: number;
  readonly levels: number;
  /** Integer ticks; EMPTY_ASK_PRICE where there is no such level. */
  readonly askPrice: Int32Array;
  /** Integer lots; 0 where there is no such level. */
  readonly askSize: Int32Array;
  /** Integer ticks; EMPTY_BID_PRICE where there is no such level. */
  readonly bidPrice: Int32Array;
  readonly bidSize: Int32Array;
}

/** Price of an ask level that does not exist: the largest int32. */
export const EMPTY_ASK_PRICE = 0x7fffffff;
/** Price of a bid level that does not exist: minus the largest int32. */
export const EMPTY_BID_PRICE = -0x7fffffff;

/** One trading session of one instrument: what every feed reader and the synthetic generator return. */
export interface MarketSession {
  readonly instrument: Instrument;
  readonly events: EventBatch;
  /** The venue's own book after each event, where the feed delivers one (LOBSTER's order-book file). */
  readonly reference?: BookSnapshots;
  /** The book after each event, where the reader keeps it itself: a feed of price levels has no orders to rebuild it from. */
  readonly book?: BookSnapshots;
  /** Where it came from: file names, or the generator and its seed. */
  readonly source: string;
  /** Only for synthetic sessions: the hidden state that drives the order flow, one value an event (see the generator). */
  readonly hidden?: Float32Array;
}
