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
  POINT,
  RETURN,
  ZERO,
} from './csv.js';
import { type EventBatch, EventType } from './events.js';

const COLUMNS = ['time', 'type', 'order id', 'size', 'price', 'direction'] as const;
const INT32_MAX = 0x7fffffff;
const TWO_32 = 0x100000000;
const DAY_NS = 86_400e9;

/**
 * Collects the rows of a LOBSTER message file: seconds after midnight with up to nine decimals, event type, order id,
 * size, price × 10 000, direction (1 buy, −1 sell). Numbers are made from the digits themselves, so a time is exact to
 * the nanosecond; no row passes through a string unless it is wrong.
 */
export class LobsterMessages {
  readonly parse: BlockParser = (bytes, start, end) => this.#parse(bytes, start, end);
  #rows = 0;
  #blank = false;
  #lastTime = -1;
  #timeNs: BigInt64Array;
  #timeWords: Uint32Array;
  #type: Uint8Array;
  #orderId: BigInt64Array;
  #orderWords: Int32Array;
  #side: Int8Array;
  #price: Int32Array;
  #size: Int32Array;

  /** @param bytes size of the file: a row has at least 20 bytes in practice, and the columns grow where it has fewer. */
  constructor(
    private readonly file: string,
    bytes: number,
  ) {
    const capacity = Math.max(16, Math.ceil(bytes / 32));
    this.#timeNs = new BigInt64Array(capacity);
    this.#timeWords = new Uint32Array(this.#timeNs.buffer);
    this.#type = new Uint8Array(capacity);
    this.#orderId = new BigInt64Array(capacity);
    this.#orderWords = new Int32Array(this.#orderId.buffer);
    this.#side = new Int8Array(capacity);
    this.#price = new Int32Array(capacity);
    this.#size = new Int32Array(capacity);
  }

  get rows(): number {
    return this.#rows;
  }

  finish(): EventBatch {
    const n = this.#rows;
    if (n === 0) throw new FlashbookError('FORMAT', `${this.file} has no rows`, { file: this.file, row: 0 });
    return {
      length: n,
      timeNs: this.#timeNs.slice(0, n),
      type: this.#type.slice(0, n),
      orderId: this.#orderId.slice(0, n),
      side: this.#side.slice(0, n),
      price: this.#price.slice(0, n),
      size: this.#size.slice(0, n),
    };
  }

  #parse(b: Uint8Array, start: number, end: number): void {
    let i = start;
    while (i < end) {
      const line = i;
      if (b[i] === NEWLINE || (b[i] === RETURN && b[i + 1] === NEWLINE)) {
        // Blank lines are borne at the end of the file only.
        this.#blank = true;
        i += b[i] === NEWLINE ? 1 : 2;
        continue;
      }
      if (this.#blank) throw columnCountError(this.file, this.#rows + 1, 0, 6, COLUMNS.join(', '));
      const row = this.#rows;
      if (row === this.#type.length) this.#grow();

      // Each number: its digits, then the byte that must follow. A wrong byte leaves `i` where explain() finds it.
      let from = i;
      let seconds = 0;
      for (let c = b[i]; c >= ZERO && c <= NINE; c = b[++i]) seconds = seconds * 10 + (c - ZERO);
      let good = i > from && i - from <= 6;
      let nanoseconds = 0;
      if (b[i] === POINT) {
        from = ++i;
        for (let c = b[i]; c >= ZERO && c <= NINE; c = b[++i]) nanoseconds = nanoseconds * 10 + (c - ZERO);
        good &&= i > from && i - from <= 9;
        for (let digits = i - from; digits < 9; digits++) nanoseconds *= 10;
      }
      good &&= b[i++] === COMMA;

      const type = b[i++] - ZERO;
      good &&= type >= 1 && type <= 7 && b[i++] === COMMA;

      from = i;
      let id = 0;
      for (let c = b[i]; c >= ZERO && c <= NINE; c = b[++i]) id = id * 10 + (c - ZERO);
      const idDigits = i - from;
      good &&= idDigits > 0 && idDigits <= 18 && b[i++] === COMMA;

      from = i;
      let size = 0;
      for (let c = b[i]; c >= ZERO && c <= NINE; c = b[++i]) size = size * 10 + (c - ZERO);
      good &&= i > from && size <= INT32_MAX && b[i++] === COMMA;

      const negative = b[i] === MINUS;
      if (negative) i++;
      from = i;
      let price = 0;
      for (let c = b[i]; c >= ZERO && c <= NINE; c = b[++i]) price = price * 10 + (c - ZERO);
      good &&= i > from && price < INT32_MAX && b[i++] === COMMA;

      const sell = b[i] === MINUS;
      if (sell) i++;
      good &&= b[i++] === ZERO + 1;
      if (b[i] === RETURN) i++;
      good &&= b[i++] === NEWLINE;

      const time = seconds * 1e9 + nanoseconds;
      if (!good || time >= DAY_NS) this.#explain(lineAt(b, line), row + 1);
      if (negative) price = -price;
      if (time < this.#lastTime || ((size === 0 || price <= 0) && type !== EventType.halt))
        this.#implausible(lineAt(b, line), row + 1);
      this.#lastTime = time;

      // 64-bit columns are written as two 32-bit words: a BigInt for each cell costs more than the whole line.
      this.#timeWords[2 * row] = time % TWO_32;
      this.#timeWords[2 * row + 1] = time / TWO_32;
      this.#type[row] = type;
      if (idDigits <= 15) {
        this.#orderWords[2 * row] = id % TWO_32;
        this.#orderWords[2 * row + 1] = id / TWO_32;
      } else {
        this.#orderId[row] = BigInt(lineAt(b, line).split(',')[2]);
      }
      this.#size[row] = size;
      this.#price[row] = price;
      this.#side[row] = sell ? -1 : 1;
      this.#rows++;
    }
  }

  /** Finds the cell that made a line unreadable. */
  #explain(line: string, row: number): never {
    const cells = line.split(',');
    if (cells.length !== 6) throw columnCountError(this.file, row, cells.length, 6, COLUMNS.join(', '));
    const [time, type, id, size, price, direction] = cells;
    const fail = (column: number, expected: string): never => {
      throw cellError(this.file, row, COLUMNS[column], cells[column], expected);
    };
    if (!/^\d{1,6}(\.\d+)?$/.test(time)) fail(0, 'seconds after midnight, as 34200.015105074');
    if (/\.\d{10,}$/.test(time)) fail(0, 'at most nine decimals (nanoseconds)');
    if (Number(time) >= 86_400) fail(0, 'less than 86400 seconds after midnight');
    if (!/^[1-7]$/.test(type)) fail(1, 'an event type from 1 to 7');
    if (!/^\d{1,18}$/.test(id)) fail(2, 'an order id of up to 18 digits');
    if (/^-\d+$/.test(size)) fail(3, 'a size that is not negative');
    if (!/^\d+$/.test(size) || Number(size) > INT32_MAX) fail(3, `a whole number from 0 to ${INT32_MAX}`);
    if (!/^-?\d+$/.test(price) || Math.abs(Number(price)) >= INT32_MAX) fail(4, `a whole number below ${INT32_MAX}`);
    if (!/^-?1$/.test(direction)) fail(5, '1 (buy) or -1 (sell)');
    throw new FlashbookError('INTERNAL', `${this.file}, row ${row}: '${line}' was refused without a reason`, {
      file: this.file,
      row,
    });
  }

  /** Finds the cell of a readable line that cannot be true. */
  #implausible(line: string, row: number): never {
    const [time, , , size, price] = line.split(',');
    if (Number(size) === 0) throw cellError(this.file, row, 'size', size, 'a positive size', 'DATA');
    if (Number(price) <= 0) throw cellError(this.file, row, 'price', price, 'a positive price', 'DATA');
    throw cellError(
      this.file,
      row,
      'time',
      time,
      `a time not before that of row ${row - 1} (${decimalSeconds(this.#lastTime)})`,
      'DATA',
    );
  }

  #grow(): void {
    const capacity = this.#type.length * 2;
    const wider = <T extends { set(from: T): void }>(make: new (length: number) => T, old: T): T => {
      const column = new make(capacity);
      column.set(old);
      return column;
    };
    this.#timeNs = wider(BigInt64Array, this.#timeNs);
    this.#timeWords = new Uint32Array(this.#timeNs.buffer);
    this.#type = wider(Uint8Array, this.#type);
    this.#orderId = wider(BigInt64Array, this.#orderId);
    this.#orderWords = new Int32Array(this.#orderId.buffer);
    this.#side = wider(Int8Array, this.#side);
    this.#price = wider(Int32Array, this.#price);
    this.#size = wider(Int32Array, this.#size);
  }
}

/** Nanoseconds after midnight as LOBSTER writes them. */
function decimalSeconds(ns: number): string {
  return `${Math.floor(ns / 1e9)}.${String(ns % 1e9).padStart(9, '0')}`;
}
