/** No order: the end of a queue. */
export const NONE = -1;

/**
 * A limit order book with price-time priority, every order by itself: a dense ladder of price levels, each a
 * first-in-first-out queue. Orders are numbered 0, 1, 2 … as they arrive and are never renumbered. The exchange of the
 * synthetic session; bids have side 1, asks −1.
 */
export class MatchingBook {
  /** Tick of each order's price, its side, and how much of it still rests (0: gone). */
  readonly tick: Int32Array;
  readonly side: Int8Array;
  readonly size: Int32Array;
  #orders = 0;
  // Queue links, the queue of each tick, and its volume. A tick has orders of one side only: the book is never crossed.
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  readonly #volume: Float64Array;
  // The live orders of each side in no particular order, and where each stands there: for drawing one at random.
  readonly #live: readonly [Int32Array, Int32Array];
  readonly #place: Int32Array;
  readonly #count = [0, 0];
  readonly #levels = [0, 0];
  #bestBid = -1;
  #bestAsk: number;

  /**
   * @param ticks prices are ticks in [0, ticks)
   * @param capacity how many orders may arrive in all
   */
  constructor(
    readonly ticks: number,
    capacity: number,
  ) {
    this.tick = new Int32Array(capacity);
    this.side = new Int8Array(capacity);
    this.size = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#previous = new Int32Array(capacity);
    this.#head = new Int32Array(ticks).fill(NONE);
    this.#tail = new Int32Array(ticks).fill(NONE);
    this.#volume = new Float64Array(ticks);
    this.#live = [new Int32Array(capacity), new Int32Array(capacity)];
    this.#place = new Int32Array(capacity);
    this.#bestAsk = ticks;
  }

  /** Tick of the best bid, −1 where there is none. */
  get bestBid(): number {
    return this.#bestBid;
  }

  /** Tick of the best ask, `ticks` where there is none. */
  get bestAsk(): number {
    return this.#bestAsk;
  }

  /** Number of resting orders on a side. */
  count(side: number): number {
    return this.#count[side > 0 ? 0 : 1];
  }

  /** Number of price levels on a side. */
  levels(side: number): number {
    return this.#levels[side > 0 ? 0 : 1];
  }

  /** The i-th live order of a side, i in [0, count); the order of this list means nothing. */
  live(side: number, i: number): number {
    return this.#live[side > 0 ? 0 : 1][i];
  }

  volumeAt(tick: number): number {
    return this.#volume[tick];
  }

  /** The order that is matched next on a side: the oldest at the best price, or NONE. */
  front(side: number): number {
    const best = side > 0 ? this.#bestBid : this.#bestAsk;
    return best < 0 || best >= this.ticks ? NONE : this.#head[best];
  }

  /** The order behind another in its queue, or NONE. */
  behind(order: number): number {
    return this.#next[order];
  }

  /** Rests an order at the end of its queue and returns its number. It must not cross: match first. */
  rest(side: number, tick: number, size: number): number {
    const order = this.#orders++;
    this.side[order] = side;
    this.tick[order] = tick;
    this.size[order] = size;
    const tail = this.#tail[tick];
    this.#previous[order] = tail;
    this.#next[order] = NONE;
    const s = side > 0 ? 0 : 1;
    if (tail === NONE) {
      this.#head[tick] = order;
      this.#levels[s]++;
      if (side > 0) this.#bestBid = Math.max(this.#bestBid, tick);
      else this.#bestAsk = Math.min(this.#bestAsk, tick);
    } else {
      this.#next[tail] = order;
    }
    this.#tail[tick] = order;
    this.#volume[tick] += size;
    this.#place[order] = this.#count[s];
    this.#live[s][this.#count[s]++] = order;
    return order;
  }

  /** Takes `size` from a resting order, by cancellation or execution; an order of which nothing is left is removed. */
  reduce(order: number, size: number): void {
    this.size[order] -= size;
    this.#volume[this.tick[order]] -= size;
    if (this.size[order] === 0) this.#remove(order);
  }

  #remove(order: number): void {
    const tick = this.tick[order];
    const previous = this.#previous[order];
    const next = this.#next[order];
    if (previous === NONE) this.#head[tick] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#tail[tick] = previous;
    else this.#previous[next] = previous;

    const s = this.side[order] > 0 ? 0 : 1;
    const last = this.#live[s][--this.#count[s]];
    this.#live[s][this.#place[order]] = last;
    this.#place[last] = this.#place[order];
    if (this.#head[tick] !== NONE) return;
    this.#levels[s]--;
    if (s === 0) {
      while (this.#bestBid >= 0 && this.#head[this.#bestBid] === NONE) this.#bestBid--;
    } else {
      while (this.#bestAsk < this.ticks && this.#head[this.#bestAsk] === NONE) this.#bestAsk++;
    }
  }

  /** Calls `visit(level, tick, volume)` for the best `levels` price levels of a side. */
  eachLevel(side: number, levels: number, visit: (level: number, tick: number, volume: number) => void): void {
    const step = side > 0 ? -1 : 1;
    const found = Math.min(levels, this.levels(side));
    let tick = side > 0 ? this.#bestBid : this.#bestAsk;
    for (let level = 0; level < found; tick += step) {
      if (this.#head[tick] !== NONE) visit(level++, tick, this.#volume[tick]);
    }
  }
}
