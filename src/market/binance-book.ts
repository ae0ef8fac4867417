import type { BinanceMessage, MessagePlace, PriceSize } from './binance-messages.js';
import { cellError } from './csv.js';
import { decimalsOf, scaledDecimal } from './decimal.js';
import { EventType, type Instrument } from './events.js';
import { emptyView, LevelRows, type LevelView, nearestChange } from './level-rows.js';
import { PriceLevels } from './price-levels.js';

type Depth = Extract<BinanceMessage, { kind: 'depth' }>;
type Ticker = Extract<BinanceMessage, { kind: 'ticker' }>;
type Trade = Extract<BinanceMessage, { kind: 'trade' }>;
type Snapshot = Extract<BinanceMessage, { kind: 'snapshot' }>;

/** What to do where update ids are missing: stop, or go on from the next snapshot. */
export type GapPolicy = 'error' | 'resync';

const INT32_MAX = 0x7fffffff;

interface Units {
  priceDecimals: number;
  sizeDecimals: number;
  tickSize: number;
}

/**
 * The book of one instrument, kept by the rules of the exchange:
 *
 *   - differences wait until there is a snapshot; those that end at or before its `lastUpdateId` are dropped, the first that
 *     remains must reach back to it
 *   - from then on each must follow the one before: `pu` is its `u` (futures), or `U` its `u` + 1 (spot); else there is a gap
 *   - sizes are absolute, 0 removes a level
 *   - the best bid is below the best ask, and both are those of a bookTicker of the same update id
 *
 * A bookTicker that is newer than the last difference stands over the levels until a newer difference comes: the best
 * levels are told at once, the deeper ones with the next difference. Source: «How to manage a local order book correctly»,
 * Binance API documentation, of spot and of USD-M futures.
 */
export class BinanceBook {
  readonly rows: LevelRows;
  readonly #bids = new PriceLevels(1);
  readonly #asks = new PriceLevels(-1);
  #units: Units | undefined;
  /** Last update id of the levels; undefined while there is no snapshot to begin with. */
  #last: number | undefined;
  /** No difference has been applied since the snapshot. */
  #fresh = true;
  #waiting: { depth: Depth; place: MessagePlace }[] = [];
  #ticker: { last: number; bid: { price: number; size: number }; ask: { price: number; size: number } } | undefined;
  #view: LevelView;
  #next: LevelView;
  #symbol: string | undefined;
  #market: string | undefined;
  /** Gaps that were passed over. */
  gaps = 0;
  /** Times that a bookTicker of the same update id was there to compare with. */
  compared = 0;

  constructor(
    levels: number,
    private readonly onGap: GapPolicy,
  ) {
    this.rows = new LevelRows(levels);
    this.#view = emptyView(levels);
    this.#next = emptyView(levels);
  }

  take(message: BinanceMessage, timeNs: bigint, place: MessagePlace): void {
    if (message.kind === 'snapshot') {
      this.#snapshot(message, place);
      return;
    }
    this.#symbol ??= message.symbol;
    if (message.symbol !== this.#symbol) {
      throw cellError(
        place.file,
        place.row,
        's',
        message.symbol,
        `${this.#symbol}, as before: one instrument a recording`,
        'DATA',
      );
    }
    if (message.kind === 'depth') this.#depth(message, timeNs, place);
    else if (message.kind === 'ticker') this.#bookTicker(message, timeNs, place);
    else this.#trade(message, timeNs, place);
  }

  /** Undefined before the first snapshot and difference. */
  get instrument(): Instrument | undefined {
    if (this.#units === undefined || this.#symbol === undefined) return undefined;
    const { priceDecimals, sizeDecimals, tickSize } = this.#units;
    const unit = (decimals: number) => Number(`1e-${decimals}`);
    const venue = this.#market ?? 'Binance';
    return { symbol: this.#symbol, venue, priceUnit: unit(priceDecimals), sizeUnit: unit(sizeDecimals), tickSize };
  }

  #snapshot(snapshot: Snapshot, place: MessagePlace): void {
    if (this.#last !== undefined) return; // the book is right without it
    this.#units ??= unitsOf(snapshot, place);
    this.#bids.clear();
    this.#asks.clear();
    this.#set(this.#bids, 'bids', snapshot.bids, place);
    this.#set(this.#asks, 'asks', snapshot.asks, place);
    this.#last = snapshot.last;
    this.#fresh = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { depth, place: own } of waiting) this.#apply(depth, own);
    this.#checkCrossed(place);
    this.#look();
    [this.#view, this.#next] = [this.#next, this.#view];
  }

  #depth(depth: Depth, timeNs: bigint, place: MessagePlace): void {
    this.#market ??= `Binance ${depth.coinMargined ? 'COIN-M' : depth.previous === undefined ? 'spot' : 'USD-M'}`;
    if (this.#last === undefined) this.#waiting.push({ depth, place });
    else if (this.#apply(depth, place)) this.#changed(timeNs);
  }

  /** False where the difference is older than the book, or a gap lies before it. */
  #apply(depth: Depth, place: MessagePlace): boolean {
    const last = this.#last;
    if (last === undefined) {
      this.#waiting.push({ depth, place });
      return false;
    }
    if (this.#fresh && depth.last <= last) return false;
    const { first, previous } = depth;
    const follows = this.#fresh
      ? (previous ?? first - 1) <= last
      : previous === undefined
        ? first === last + 1
        : previous === last;
    if (!follows) return this.#gap(depth, last, place);
    this.#set(this.#bids, 'b', depth.bids, place);
    this.#set(this.#asks, 'a', depth.asks, place);
    this.#last = depth.last;
    this.#fresh = false;
    this.#checkCrossed(place);
    this.#checkTicker(place);
    return true;
  }

  #gap(depth: Depth, last: number, place: MessagePlace): false {
    if (this.onGap === 'error') {
      const [name, value] = depth.previous === undefined ? ['U', depth.first] : ['pu', depth.previous];
      const expected = depth.previous === undefined ? last + 1 : last;
      const of = this.#fresh ? 'the snapshot' : 'the message before';
      throw cellError(
        place.file,
        place.row,
        name,
        value,
        `${this.#fresh ? 'at most ' : ''}${expected}, which follows ${of}; messages are missing between: take a whole recording, or onGap: 'resync' to go on from the next snapshot`,
        'DATA',
      );
    }
    this.gaps++;
    this.#last = undefined;
    this.#waiting = [{ depth, place }];
    return false;
  }

  #bookTicker(message: Ticker, timeNs: bigint, place: MessagePlace): void {
    if (this.#units === undefined || (this.#ticker !== undefined && message.last < this.#ticker.last)) return;
    const side = (names: [string, string], [price, size]: PriceSize) => ({
      price: this.#price(names[0], price, place),
      size: this.#size(names[1], size, place),
    });
    this.#ticker = { last: message.last, bid: side(['b', 'B'], message.bid), ask: side(['a', 'A'], message.ask) };
    const { bid, ask } = this.#ticker;
    if (bid.price >= ask.price) {
      throw cellError(place.file, place.row, 'b', message.bid[0], `a bid below the ask ${message.ask[0]}`, 'DATA');
    }
    if (this.#last === undefined) return;
    this.#checkTicker(place);
    if (message.last > this.#last) this.#changed(timeNs);
  }

  #trade({ price, size, buyerIsMaker }: Trade, timeNs: bigint, place: MessagePlace): void {
    if (this.#last === undefined || Number(price) === 0) return; // futures tell some events that are no trades at price 0
    const side = buyerIsMaker ? 1 : -1;
    const trade = { price: this.#price('p', price, place), size: this.#size('q', size, place) };
    if (trade.size === 0) throw cellError(place.file, place.row, 'q', size, 'a positive size', 'DATA');
    this.rows.push(timeNs, { type: EventType.execute, side, ...trade }, this.#view);
  }

  /** A row, where the best levels are others now. */
  #changed(timeNs: bigint): void {
    this.#look();
    const change = nearestChange(this.#view, this.#next);
    if (change === undefined) return;
    [this.#view, this.#next] = [this.#next, this.#view];
    this.rows.push(timeNs, change, this.#view);
  }

  /** The best levels now, into the other view. */
  #look(): void {
    const { levels } = this.rows;
    const newer = this.#ticker !== undefined && this.#ticker.last > this.#last! ? this.#ticker : undefined;
    this.#bids.read(this.#next.bidPrice, this.#next.bidSize, 0, levels, newer?.bid);
    this.#asks.read(this.#next.askPrice, this.#next.askSize, 0, levels, newer?.ask);
  }

  #checkCrossed({ file, row }: MessagePlace): void {
    const [bid, ask] = [this.#bids, this.#asks];
    if (bid.length === 0 || ask.length === 0 || bid.bestPrice < ask.bestPrice) return;
    const shown = bid.bestPrice * Number(`1e-${this.#units!.priceDecimals}`);
    throw cellError(file, row, 'b', shown, 'a best bid below the best ask; the book is crossed', 'DATA');
  }

  #checkTicker({ file, row }: MessagePlace): void {
    const ticker = this.#ticker;
    if (ticker === undefined || ticker.last !== this.#last) return;
    this.compared++;
    const pairs = [
      ['b', this.#bids.bestPrice, ticker.bid.price],
      ['B', this.#bids.bestSize, ticker.bid.size],
      ['a', this.#asks.bestPrice, ticker.ask.price],
      ['A', this.#asks.bestSize, ticker.ask.size],
    ] as const;
    const wrong = pairs.find(([, book, told]) => book !== told);
    if (wrong === undefined) return;
    const [name, book, told] = wrong;
    throw cellError(
      file,
      row,
      name,
      book,
      `${told}, as the bookTicker of update id ${ticker.last} has (in ticks or lots)`,
      'DATA',
    );
  }

  #set(side: PriceLevels, name: string, levels: readonly PriceSize[], place: MessagePlace): void {
    for (const [price, size] of levels) side.set(this.#price(name, price, place), this.#size(name, size, place));
  }

  #price(name: string, text: string, place: MessagePlace): number {
    const price = scaledDecimal(text, this.#units!.priceDecimals);
    if (price > 0 && price < INT32_MAX) return price;
    throw cellError(
      place.file,
      place.row,
      name,
      text,
      `a positive price of at most ${this.#units!.priceDecimals} decimals, as in the snapshot`,
    );
  }

  /** Sizes below the lot do occur; they are rounded, but not to a level that is gone. */
  #size(name: string, text: string, place: MessagePlace): number {
    const { sizeDecimals } = this.#units!;
    let size = scaledDecimal(text, sizeDecimals);
    if (Number.isNaN(size) && DECIMAL.test(text)) size = Math.max(1, Math.round(Number(text) * 10 ** sizeDecimals));
    if (size >= 0 && size <= INT32_MAX) return size;
    const lots = `${INT32_MAX} lots of ${Number(`1e-${sizeDecimals}`)}`;
    throw cellError(place.file, place.row, name, text, `a size from 0 to ${lots}`);
  }
}

const DECIMAL = /^\d+(\.\d+)?$/;

/** Decimals of the snapshot's prices and sizes, and the largest step that all its prices are apart by: known before the first row. */
function unitsOf({ bids, asks }: Snapshot, { file, row }: MessagePlace): Units {
  for (const [name, levels] of [
    ['bids', bids],
    ['asks', asks],
  ] as const) {
    if (levels.length === 0) throw cellError(file, row, name, '[]', 'at least one level', 'DATA');
  }
  const levels = [...bids, ...asks];
  const priceDecimals = Math.max(...levels.map(([price]) => decimalsOf(price)));
  const sizeDecimals = Math.max(...levels.map(([, size]) => decimalsOf(size)));
  const prices = levels.map(([price]) => scaledDecimal(price, priceDecimals));
  const step = prices.reduce((divisor, price) => greatestDivisor(divisor, Math.abs(price - prices[0])), 0);
  return { priceDecimals, sizeDecimals, tickSize: Number.isFinite(step) && step > 0 ? step : 1 };
}

function greatestDivisor(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return x;
}
