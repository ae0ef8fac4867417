import { checkOptions, finite, integer } from '../../core/options.js';
import { Random } from '../../core/random.js';
import {
  type BookSnapshots,
  EMPTY_ASK_PRICE,
  EMPTY_BID_PRICE,
  type EventBatch,
  EventType,
  type MarketSession,
} from '../events.js';
import { MatchingBook, NONE } from './matching-book.js';

export interface SyntheticOptions {
  /** The same seed gives the same session on every machine. Default 1. */
  seed?: number;
  /** Number of rows. Default 60,000. */
  events?: number;
  /** How strongly the hidden drift tilts the flow: 0 makes its direction unpredictable (a control), 1 is the default. */
  predictability?: number;
  /** Mean life of the hidden drift in arrivals. Default 150. */
  persistence?: number;
  /** Trading halts, spread evenly over the session. Default 1. */
  halts?: number;
  /** Also deliver the exchange's own book after each event, this many levels deep, as `reference`. Default 0: none. */
  referenceLevels?: number;
}

const OPTIONS = ['seed', 'events', 'predictability', 'persistence', 'halts', 'referenceLevels'] as const;

/** The opening: one order a level on each side, so that ten levels stand after 2 × OPENING_LEVELS rows. */
const OPENING_LEVELS = 15;
/** A side never falls below this many levels; what would take them is left undone. */
const LEAST_LEVELS = 12;
const START_TICK = 58_000;
const TICK_SIZE = 100;
const FIRST_ORDER_ID = 1_000_001;
const OPEN_NS = 34_200e9;
const SESSION_NS = 23_400e9;
const HALT_NS = 300e9;

/** Rates of Poisson arrivals; only their ratios matter. */
const LIMIT_RATE = 1;
const MARKET_RATE = 0.15;
const HIDDEN_RATE = 0.08;
/** A resting order's own rate of cancellation: about 1 / CANCEL_RATE orders rest on both sides together. */
const CANCEL_RATE = 0.008;
/** Share of cancellations that hit the order in front at the touch; the others hit any order, each equally likely. */
const TOUCH_SHARE = 0.5;
/** Share of cancellations that take a part only. */
const PARTIAL_SHARE = 0.03;
/** Share of limit orders that better the best price where the spread leaves room; the others stand at or behind it. */
const INSIDE_SHARE = 0.9;
/** Mean distance in ticks behind the best price of the others (geometric). */
const MEAN_DEPTH = 30;
/** The strongest tilt: (1 + TILT) / 2 of the flow at the touch then goes one way. */
const TILT = 0.95;
/** How fast the tilt saturates as the drift grows. */
const GAIN = 2;

/**
 * A seeded session of a synthetic exchange: zero-intelligence order flow through a price-time-priority book.
 *
 * Flow: limit orders, market orders and cancellations arrive as Poisson processes, each resting order being cancelled
 * at the same rate (Smith, Farmer, Gillemot & Krishnamurthy 2003, «Statistical theory of the continuous double
 * auction», Quantitative Finance 3, section 2.1). Two things are unlike there. Limit orders fill a spread that has
 * opened, and else stand geometrically far behind the own best price; half of the cancellations hit the touch: so the
 * touch is as narrow and as busy as that of a liquid stock. And the flow at the touch reacts to a hidden state, below. A market order
 * executes resting orders in the order of price and time, one event an order; some trades meet hidden orders; trading halts.
 *
 * What can be predicted: a hidden drift x, a stationary AR(1) process with unit variance and mean life `persistence`
 * arrivals, x' = φx + √(1−φ²)·ε, φ = exp(−1/persistence). With p = (1 + 0.95·tanh(2 · predictability · x)) / 2, a market order buys
 * with probability p, a limit order inside the spread bids with probability p, and a cancellation at the touch takes an
 * ask with probability p. All else is symmetric. So the price drifts with x, and the flow of the last events betrays it.
 * `session.hidden[i]` is x when event i happened; reachableAccuracy() says how well somebody who knows it predicts.
 *
 * The book starts empty: the first 30 rows fill 15 levels on each side. Prices are in units of 0.0001 dollars with a
 * tick of 100, sizes in shares, times in nanoseconds after midnight, as in a LOBSTER file.
 */
export function syntheticSession(options: SyntheticOptions = {}): MarketSession {
  checkOptions('syntheticSession', options, OPTIONS);
  const { seed = 1, events = 60_000, predictability = 1, persistence = 150, halts = 1, referenceLevels = 0 } = options;
  integer('seed', seed, 0);
  integer('events', events, 2 * OPENING_LEVELS, 50_000_000);
  finite('predictability', predictability, 0, 10);
  finite('persistence', persistence, 1, 1e9);
  integer('halts', halts, 0, 100);
  integer('referenceLevels', referenceLevels, 0, 200);

  const exchange = new Exchange(events, new Random(seed), predictability, persistence, referenceLevels);
  exchange.open();
  let haltsLeft = halts;
  while (exchange.rows < events) {
    if (haltsLeft > 0 && exchange.rows >= (events * (halts - haltsLeft + 1)) / (halts + 1)) {
      exchange.halt();
      haltsLeft--;
    } else {
      exchange.step();
    }
  }
  return {
    instrument: {
      symbol: 'SYNTHETIC',
      venue: 'synthetic exchange',
      priceUnit: 0.0001,
      sizeUnit: 1,
      tickSize: TICK_SIZE,
    },
    events: exchange.events,
    ...(exchange.reference === undefined ? {} : { reference: exchange.reference }),
    source: `synthetic session (seed ${seed}, ${events} events, predictability ${predictability}, persistence ${persistence})`,
    hidden: exchange.hidden,
  };
}

class Exchange {
  readonly events: EventBatch & { length: number };
  readonly hidden: Float32Array;
  readonly reference: BookSnapshots | undefined;
  rows = 0;
  readonly #book: MatchingBook;
  readonly #keep: number;
  #timeNs = OPEN_NS;
  #drift: number;
  /** Probability that flow at the touch pushes the price up. */
  #upward = 0.5;

  constructor(
    readonly limit: number,
    readonly random: Random,
    readonly predictability: number,
    persistence: number,
    levels: number,
  ) {
    this.events = {
      length: limit,
      timeNs: new BigInt64Array(limit),
      type: new Uint8Array(limit),
      orderId: new BigInt64Array(limit),
      side: new Int8Array(limit),
      price: new Int32Array(limit),
      size: new Int32Array(limit),
    };
    this.hidden = new Float32Array(limit);
    if (levels > 0) {
      const cells = limit * levels;
      this.reference = {
        length: limit,
        levels,
        askPrice: new Int32Array(cells).fill(EMPTY_ASK_PRICE),
        askSize: new Int32Array(cells),
        bidPrice: new Int32Array(cells).fill(EMPTY_BID_PRICE),
        bidSize: new Int32Array(cells),
      };
    }
    this.#book = new MatchingBook(2 * START_TICK, limit);
    this.#keep = Math.exp(-1 / persistence);
    this.#drift = random.normal();
  }

  /** Fills the empty book: one order a level, alternately bid and ask, then the flow begins. */
  open(): void {
    for (let level = 1; level <= OPENING_LEVELS; level++) {
      for (const side of [1, -1]) this.#rest(side, START_TICK - side * level);
    }
  }

  /** One arrival: the drift moves on, time passes, and one of the four kinds of flow happens. */
  step(): void {
    const { random } = this;
    const book = this.#book;
    this.#drift = this.#keep * this.#drift + Math.sqrt(1 - this.#keep * this.#keep) * random.normal();
    this.#upward = (1 + TILT * Math.tanh(GAIN * this.predictability * this.#drift)) / 2;
    const cancels = CANCEL_RATE * (book.count(1) + book.count(-1));
    const rate = LIMIT_RATE + MARKET_RATE + HIDDEN_RATE + cancels;
    this.#pass((random.exponential() * SESSION_NS * 2 * LIMIT_RATE) / (this.limit * rate));

    const draw = random.float() * rate;
    if (draw < LIMIT_RATE) this.#limitOrder();
    else if (draw < LIMIT_RATE + MARKET_RATE) this.#marketOrder();
    else if (draw < LIMIT_RATE + MARKET_RATE + HIDDEN_RATE) this.#hiddenTrade();
    else this.#cancel();
  }

  /** Trading stops, quoting resumes, trading resumes. */
  halt(): void {
    for (const price of [-1, 0, 1]) {
      this.#emit(EventType.halt, 0, 0, price, -1);
      this.#pass(HALT_NS / 2);
    }
  }

  #limitOrder(): void {
    const { random } = this;
    const book = this.#book;
    const room = book.bestAsk - book.bestBid - 1;
    if (room > 0 && random.float() < INSIDE_SHARE) {
      const side = random.float() < this.#upward ? 1 : -1;
      const best = side > 0 ? book.bestBid : book.bestAsk;
      this.#rest(side, best + side * (1 + random.below(room)));
      return;
    }
    const side = random.float() < 0.5 ? 1 : -1;
    const best = side > 0 ? book.bestBid : book.bestAsk;
    const behind = Math.floor(-random.exponential() / Math.log(MEAN_DEPTH / (1 + MEAN_DEPTH)));
    this.#rest(side, Math.min(Math.max(best - side * behind, 1), book.ticks - 2));
  }

  #marketOrder(): void {
    const buys = this.random.float() < this.#upward;
    const resting = buys ? -1 : 1;
    const book = this.#book;
    let left = this.#size();
    while (left > 0 && book.levels(resting) > LEAST_LEVELS) {
      const order = book.front(resting);
      if (order === NONE) return;
      const executed = Math.min(left, book.size[order]);
      left -= executed;
      book.reduce(order, executed);
      this.#emit(EventType.execute, order, executed, book.tick[order] * TICK_SIZE, resting);
    }
  }

  /** A trade with a hidden order in the middle of the spread, or at the touch where there is no middle. */
  #hiddenTrade(): void {
    const buys = this.random.float() < this.#upward;
    const book = this.#book;
    const room = book.bestAsk - book.bestBid;
    const touch = buys ? book.bestAsk : book.bestBid;
    const tick = room > 1 ? book.bestBid + room / 2 : touch;
    this.#emit(EventType.executeHidden, NONE, this.#size(), tick * TICK_SIZE, buys ? -1 : 1);
  }

  #cancel(): void {
    const { random } = this;
    const book = this.#book;
    const touch = random.float() < TOUCH_SHARE;
    const asks = touch ? random.float() < this.#upward : random.below(book.count(1) + book.count(-1)) < book.count(-1);
    const side = asks ? -1 : 1;
    if (book.levels(side) <= LEAST_LEVELS) return;
    const order = touch ? book.front(side) : book.live(side, random.below(book.count(side)));
    const size = book.size[order];
    const partial = size > 1 && random.float() < PARTIAL_SHARE;
    const taken = partial ? 1 + random.below(size - 1) : size;
    book.reduce(order, taken);
    this.#emit(partial ? EventType.cancel : EventType.delete, order, taken, book.tick[order] * TICK_SIZE, side);
  }

  #rest(side: number, tick: number): void {
    const size = this.#size();
    const order = this.#book.rest(side, tick, size);
    this.#emit(EventType.add, order, size, tick * TICK_SIZE, side);
  }

  /** Most orders are round lots of 100, some are several, some odd. */
  #size(): number {
    const { random } = this;
    const draw = random.float();
    if (draw < 0.65) return 100;
    return draw < 0.85 ? 100 * (2 + random.below(4)) : 1 + random.below(99);
  }

  #pass(ns: number): void {
    this.#timeNs += Math.ceil(ns);
  }

  #emit(type: number, order: number, size: number, price: number, side: number): void {
    const row = this.rows;
    if (row === this.limit) return; // the rest of a market order that fills several orders
    const { events } = this;
    events.timeNs[row] = BigInt(this.#timeNs);
    events.type[row] = type;
    events.orderId[row] =
      type === EventType.halt || type === EventType.executeHidden ? 0n : BigInt(FIRST_ORDER_ID + order);
    events.side[row] = side;
    events.price[row] = price;
    events.size[row] = size;
    this.hidden[row] = this.#drift;
    this.rows++;
    if (this.reference !== undefined) this.#record(this.reference, row);
  }

  #record(to: BookSnapshots, row: number): void {
    const { levels } = to;
    this.#book.eachLevel(-1, levels, (level, tick, volume) => {
      to.askPrice[row * levels + level] = tick * TICK_SIZE;
      to.askSize[row * levels + level] = volume;
    });
    this.#book.eachLevel(1, levels, (level, tick, volume) => {
      to.bidPrice[row * levels + level] = tick * TICK_SIZE;
      to.bidSize[row * levels + level] = volume;
    });
  }
}
