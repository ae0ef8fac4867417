import { FlashbookError } from '../core/errors.js';
import {
  type BlockParser,
  COMMA,
  cellError,
  columnCountError,
  lineAt,
  MINUS,
  NEWLINE,
  NINE,
  RETURN,
  ZERO,
} from './csv.js';
import { type BookSnapshots, EMPTY_ASK_PRICE, EMPTY_BID_PRICE } from './events.js';

const INT32_MAX = 0x7fffffff;
/** What LOBSTER writes as the price of a level that does not exist (−this for bids). */
const EMPTY_LEVEL = 9_999_999_999;
const MAX_LEVELS = 200;

/**
 * Collects the rows of a LOBSTER order-book file: ask price, ask size, bid price, bid size, repeated for each level.
 * The first row tells the number of levels. Each row must be a possible book: ask prices rise and bid prices fall
 * from level to level, the best ask is above the best bid, and an empty level is followed by empty ones.
 */
export class LobsterOrderBook {
  readonly parse: BlockParser = (bytes, start, end) => this.#parse(bytes, start, end);
  #rows = 0;
  #blank = false;
  #levels = 0;
  #cells = new Float64Array(0);
  #askPrice = new Int32Array(0);
  #askSize = new Int32Array(0);
  #bidPrice = new Int32Array(0);
  #bidSize = new Int32Array(0);

  /** @param expectedRows rows of the message file: there must be as many here. */
  constructor(
    private readonly file: string,
    private readonly messageFile: string,
    private readonly expectedRows: number,
  ) {}

  finish(): BookSnapshots {
    if (this.#rows === 0) throw new FlashbookError('FORMAT', `${this.file} has no rows`, { file: this.file, row: 0 });
    if (this.#rows !== this.expectedRows) throw this.#rowCountError(String(this.#rows));
    return {
      length: this.#rows,
      levels: this.#levels,
      askPrice: this.#askPrice,
      askSize: this.#askSize,
      bidPrice: this.#bidPrice,
      bidSize: this.#bidSize,
    };
  }

  #parse(b: Uint8Array, start: number, end: number): void {
    let i = start;
    while (i < end) {
      const line = i;
      if (b[i] === NEWLINE || (b[i] === RETURN && b[i + 1] === NEWLINE)) {
        this.#blank = true;
        i += b[i] === NEWLINE ? 1 : 2;
        continue;
      }
      if (this.#levels === 0) this.#begin(lineAt(b, line));
      if (this.#blank) throw columnCountError(this.file, this.#rows + 1, 0, 4 * this.#levels, 'a blank line');
      const row = this.#rows;
      if (row === this.expectedRows) throw this.#rowCountError(`more than ${row}`);
      const cells = this.#cells;
      const count = cells.length;
      let good = true;
      for (let k = 0; k < count; k++) {
        const negative = b[i] === MINUS;
        if (negative) i++;
        const from = i;
        let value = 0;
        for (let c = b[i]; c >= ZERO && c <= NINE; c = b[++i]) value = value * 10 + (c - ZERO);
        good &&= i > from && i - from <= 10;
        cells[k] = negative ? -value : value;
        if (k < count - 1) good &&= b[i++] === COMMA;
      }
      if (b[i] === RETURN) i++;
      good &&= b[i++] === NEWLINE;
      if (!good || !this.#store(row)) this.#explain(lineAt(b, line), row + 1);
      this.#rows++;
    }
  }

  #begin(line: string): void {
    const columns = line.split(',').length;
    if (columns % 4 !== 0 || columns > 4 * MAX_LEVELS) {
      throw columnCountError(
        this.file,
        1,
        columns,
        columns - (columns % 4) + 4,
        'ask price, ask size, bid price, bid size for each level',
      );
    }
    this.#levels = columns / 4;
    this.#cells = new Float64Array(columns);
    const length = this.expectedRows * this.#levels;
    this.#askPrice = new Int32Array(length);
    this.#askSize = new Int32Array(length);
    this.#bidPrice = new Int32Array(length);
    this.#bidSize = new Int32Array(length);
  }

  /** Moves the cells of one row into the columns; false where they are no possible book. */
  #store(row: number): boolean {
    const cells = this.#cells;
    const levels = this.#levels;
    let lastAsk = 0;
    let lastBid = INT32_MAX;
    for (let level = 0, k = 0, to = row * levels; level < levels; level++, k += 4, to++) {
      let ask = cells[k];
      let bid = cells[k + 2];
      const askSize = cells[k + 1];
      const bidSize = cells[k + 3];
      if (ask === EMPTY_LEVEL) {
        if (askSize !== 0) return false;
        ask = EMPTY_ASK_PRICE;
        lastAsk = INT32_MAX - 1;
      } else if (ask >= INT32_MAX || !(askSize > 0 && askSize <= INT32_MAX)) return false;
      if (bid === -EMPTY_LEVEL) {
        if (bidSize !== 0) return false;
        bid = EMPTY_BID_PRICE;
        lastBid = EMPTY_BID_PRICE + 1;
      } else if (bid <= 0 || !(bidSize > 0 && bidSize <= INT32_MAX)) return false;
      if (ask <= lastAsk || bid >= lastBid || (level === 0 && ask <= bid)) return false;
      if (ask !== EMPTY_ASK_PRICE) lastAsk = ask;
      if (bid !== EMPTY_BID_PRICE) lastBid = bid;
      this.#askPrice[to] = ask;
      this.#askSize[to] = askSize;
      this.#bidPrice[to] = bid;
      this.#bidSize[to] = bidSize;
    }
    return true;
  }

  #explain(line: string, row: number): never {
    const texts = line.split(',');
    const expected = 4 * this.#levels;
    if (texts.length !== expected)
      throw columnCountError(this.file, row, texts.length, expected, `as many as in row 1, ${this.#levels} levels`);
    const last = [0, EMPTY_LEVEL];
    const kinds = ['ask price', 'ask size', 'bid price', 'bid size'];
    for (let k = 0; k < expected; k++) {
      const column = `${kinds[k % 4]} ${Math.floor(k / 4) + 1}`;
      const fail = (what: string, code: 'FORMAT' | 'DATA'): never => {
        throw cellError(this.file, row, column, texts[k], what, code);
      };
      if (!/^-?\d+$/.test(texts[k])) fail('a whole number', 'FORMAT');
      const value = Number(texts[k]);
      const bid = k % 4 >= 2;
      if (k % 2 === 1) {
        const empty = Math.abs(Number(texts[k - 1])) === EMPTY_LEVEL;
        if (empty && value !== 0) fail('0, the size of a level that does not exist', 'DATA');
        if (value < 0) fail('a size that is not negative', 'FORMAT');
        if (!empty && value === 0) fail('a positive size', 'DATA');
        if (value > INT32_MAX) fail(`a size of at most ${INT32_MAX}`, 'FORMAT');
        continue;
      }
      if (value === (bid ? -EMPTY_LEVEL : EMPTY_LEVEL)) {
        last[bid ? 1 : 0] = value;
        continue;
      }
      if (value <= 0 || value >= INT32_MAX)
        fail(`a price from 1 to ${INT32_MAX - 1}, or ${bid ? -EMPTY_LEVEL : EMPTY_LEVEL} for no level`, 'FORMAT');
      if (!bid && value <= last[0]) fail(`an ask price above that of the level before (${last[0]})`, 'DATA');
      if (bid && value >= last[1]) fail(`a bid price below that of the level before (${last[1]})`, 'DATA');
      if (k === 2 && last[0] !== EMPTY_LEVEL && value >= last[0])
        fail(`a bid below the best ask (${last[0]}); the book is crossed`, 'DATA');
      last[bid ? 1 : 0] = value;
    }
    throw new FlashbookError(
      'INTERNAL',
      `${this.file}, row ${row}: '${line.slice(0, 80)}' was refused without a reason`,
      { file: this.file, row },
    );
  }

  #rowCountError(found: string): FlashbookError {
    return new FlashbookError(
      'DATA',
      `${this.file} has ${found} rows, but ${this.messageFile} has ${this.expectedRows}: row i of one belongs to row i of the other, so both must have the same number; get both files again`,
      { file: this.file, value: found, expected: this.expectedRows },
    );
  }
}
