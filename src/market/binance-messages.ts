import { FlashbookError } from '../core/errors.js';
import { type BlockParser, cellError, lineAt, NEWLINE } from './csv.js';

/** [price, size] as the exchange writes them. */
export type PriceSize = readonly [string, string];

/** A message of the exchange that a book is made of; prices and sizes as text. */
export type BinanceMessage =
  | {
      kind: 'depth';
      symbol: string;
      /** First and last update id of the message, and the last of the message before (futures). */
      first: number;
      last: number;
      previous: number | undefined;
      bids: readonly PriceSize[];
      asks: readonly PriceSize[];
      /** Coin-margined futures name the pair. */
      coinMargined: boolean;
    }
  | { kind: 'ticker'; symbol: string; last: number; bid: PriceSize; ask: PriceSize }
  | { kind: 'trade'; symbol: string; price: string; size: string; buyerIsMaker: boolean }
  | { kind: 'snapshot'; last: number; bids: readonly PriceSize[]; asks: readonly PriceSize[] };

type Json = Record<string, unknown>;

/** Where a message stands, for errors. */
export interface MessagePlace {
  readonly file: string;
  /** From 1. */
  readonly row: number;
}

/**
 * Reads lines of a recording: local nanoseconds since the epoch, a space, the message as JSON, by itself or as `data` of a combined
 * stream. Messages of other kinds are passed over.
 */
export class BinanceLines {
  readonly parse: BlockParser = (bytes, start, end) => this.#parse(bytes, start, end);
  #row = 0;
  #time: string;

  /** @param after the time of the line before, in the recording before this one */
  constructor(
    readonly file: string,
    private readonly take: (message: BinanceMessage, timeNs: bigint, place: MessagePlace) => void,
    after = 0n,
  ) {
    this.#time = String(after);
  }

  #parse(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      let next = at;
      while (bytes[next] !== NEWLINE) next++;
      this.#row++;
      this.#line(lineAt(bytes, at));
      at = next + 1;
    }
  }

  #line(line: string): void {
    const space = line.indexOf(' ');
    const time = line.slice(0, Math.max(space, 0));
    if (!/^\d{10,19}$/.test(time)) {
      throw cellError(this.file, this.#row, 'time', time || line, 'nanoseconds since the epoch and a space');
    }
    if (time.length === this.#time.length ? time < this.#time : time.length < this.#time.length) {
      throw cellError(this.file, this.#row, 'time', time, `a time not before ${this.#time}`, 'DATA');
    }
    this.#time = time;
    let json: unknown;
    try {
      json = JSON.parse(line.slice(space + 1));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FlashbookError(
        'FORMAT',
        `${this.file}, row ${this.#row}: expected a message as JSON behind the time, found '${line.slice(space + 1, space + 41)}' (${reason})`,
        { file: this.file, row: this.#row },
        { cause },
      );
    }
    const message = new Fields(this.file, this.#row, json).message();
    if (message !== undefined) this.take(message, BigInt(time), { file: this.file, row: this.#row });
  }
}

/** The fields of one message, checked. */
class Fields {
  readonly #json: Json;
  /** A stream of the best 5, 10 or 20 levels: neither differences nor the whole book. */
  readonly #partial: boolean;

  constructor(
    private readonly file: string,
    private readonly row: number,
    json: unknown,
  ) {
    const outer = this.#object('message', json);
    this.#json = outer.stream === undefined ? outer : this.#object('data', outer.data);
    this.#partial = /@depth\d/.test(String(outer.stream));
  }

  message(): BinanceMessage | undefined {
    if (this.#partial) return undefined;
    const json = this.#json;
    if (json.lastUpdateId !== undefined) {
      return {
        kind: 'snapshot',
        last: this.#id('lastUpdateId'),
        bids: this.#levels('bids'),
        asks: this.#levels('asks'),
      };
    }
    if (json.e === 'depthUpdate') {
      return {
        kind: 'depth',
        symbol: this.#text('s'),
        first: this.#id('U'),
        last: this.#id('u'),
        previous: json.pu === undefined ? undefined : this.#id('pu'),
        bids: this.#levels('b'),
        asks: this.#levels('a'),
        coinMargined: json.ps !== undefined,
      };
    }
    if (json.e === 'trade') {
      return {
        kind: 'trade',
        symbol: this.#text('s'),
        price: this.#text('p'),
        size: this.#text('q'),
        buyerIsMaker: this.#flag('m'),
      };
    }
    // The ticker of the spot market does not say what it is.
    if (json.e === 'bookTicker' || (json.e === undefined && json.u !== undefined && json.B !== undefined)) {
      const [bid, ask]: PriceSize[] = [
        [this.#text('b'), this.#text('B')],
        [this.#text('a'), this.#text('A')],
      ];
      return { kind: 'ticker', symbol: this.#text('s'), last: this.#id('u'), bid, ask };
    }
    return undefined;
  }

  #object(name: string, value: unknown): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.#fail(name, value, 'an object');
    return value as Json;
  }

  #id(name: string): number {
    const value = this.#json[name];
    if (!Number.isSafeInteger(value) || (value as number) < 0) this.#fail(name, value, 'an update id, a whole number');
    return value as number;
  }

  #text(name: string): string {
    const value = this.#json[name];
    if (typeof value !== 'string') this.#fail(name, value, 'a text');
    return value as string;
  }

  #flag(name: string): boolean {
    const value = this.#json[name];
    if (typeof value !== 'boolean') this.#fail(name, value, 'true or false');
    return value as boolean;
  }

  #levels(name: string): readonly PriceSize[] {
    const value = this.#json[name];
    if (!Array.isArray(value)) this.#fail(name, value, 'a list of [price, size]');
    for (const [i, level] of (value as unknown[]).entries()) {
      if (!Array.isArray(level) || typeof level[0] !== 'string' || typeof level[1] !== 'string') {
        this.#fail(`${name}[${i}]`, level, 'a price and a size as texts');
      }
    }
    return value as PriceSize[];
  }

  #fail(name: string, value: unknown, expected: string): never {
    throw cellError(this.file, this.row, name, value === undefined ? 'nothing' : JSON.stringify(value), expected);
  }
}
