import { EMPTY_ASK_PRICE, EMPTY_BID_PRICE } from './events.js';

/**
 * One side of a book by price levels, as feeds without orders tell it: the size at each price. Prices in ticks, sizes in lots.
 * Sorted with the best level last, where nearly all changes are.
 */
export class PriceLevels {
  /** side · price, rising. */
  #keys = new Int32Array(1024);
  #sizes = new Int32Array(1024);
  #count = 0;

  /** @param side +1 bids, −1 asks */
  constructor(private readonly side: 1 | -1) {}

  get length(): number {
    return this.#count;
  }

  /** The best price; a side without levels has the price of an empty one. */
  get bestPrice(): number {
    return this.#count === 0 ? this.#emptyPrice : this.side * this.#keys[this.#count - 1];
  }

  get bestSize(): number {
    return this.#count === 0 ? 0 : this.#sizes[this.#count - 1];
  }

  /** The size at a price from now on; 0 removes the level. */
  set(price: number, size: number): void {
    const key = this.side * price;
    let at = this.#count;
    while (at > 0 && this.#keys[at - 1] >= key) {
      // Steps while near the best level, halves further down.
      if (this.#count - at < 16) at--;
      else {
        at = lowerBound(this.#keys, at, key);
        break;
      }
    }
    const found = at < this.#count && this.#keys[at] === key;
    if (found && size > 0) this.#sizes[at] = size;
    else if (found) this.#move(at + 1, at, -1);
    else if (size > 0) {
      if (this.#count === this.#keys.length) this.#grow();
      this.#move(at, at + 1, 1);
      this.#keys[at] = key;
      this.#sizes[at] = size;
    }
  }

  clear(): void {
    this.#count = 0;
  }

  /**
   * Writes the best `levels` levels to [at, at + levels) of both arrays, empty ones behind those that are there.
   *
   * @param top a best level that is newer than these: levels that are not worse than it are passed over
   */
  read(prices: Int32Array, sizes: Int32Array, at: number, levels: number, top?: { price: number; size: number }): void {
    let from = this.#count - 1;
    let to = at;
    const end = at + levels;
    if (top !== undefined) {
      while (from >= 0 && this.#keys[from] >= this.side * top.price) from--;
      prices[to] = top.price;
      sizes[to++] = top.size;
    }
    for (; to < end && from >= 0; to++, from--) {
      prices[to] = this.side * this.#keys[from];
      sizes[to] = this.#sizes[from];
    }
    prices.fill(this.#emptyPrice, to, end);
    sizes.fill(0, to, end);
  }

  get #emptyPrice(): number {
    return this.side > 0 ? EMPTY_BID_PRICE : EMPTY_ASK_PRICE;
  }

  #move(from: number, to: number, change: number): void {
    this.#keys.copyWithin(to, from, this.#count);
    this.#sizes.copyWithin(to, from, this.#count);
    this.#count += change;
  }

  #grow(): void {
    const [keys, sizes] = [this.#keys, this.#sizes];
    this.#keys = new Int32Array(2 * keys.length);
    this.#keys.set(keys);
    this.#sizes = new Int32Array(2 * sizes.length);
    this.#sizes.set(sizes);
  }
}

/** The first of `count` rising keys that is not below `key`. */
function lowerBound(keys: Int32Array, count: number, key: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
