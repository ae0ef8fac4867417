import { invalid } from '../core/errors.js';
import type { Instrument } from '../market/events.js';
import type { FeatureExtractor } from '../native/features.js';
import { createExtractor } from './compute.js';
import { type FeatureSet, featureNames } from './definition.js';

/** One event as it arrives; the columns of an `EventBatch` in the singular. */
export interface FeatureEvent {
  /** Integer nanoseconds. */
  readonly timeNs: bigint;
  /** An `EventType`. */
  readonly type: number;
  /** +1 a buy order, −1 a sell order. */
  readonly side: number;
  /** Integer ticks of the instrument's `priceUnit`. */
  readonly price: number;
  /** Integer lots. */
  readonly size: number;
}

/** The book after an event: `levels` entries each, best first, empty levels as in `BookSnapshots`. */
export interface FeatureBookRow {
  readonly askPrice: Int32Array;
  readonly askSize: Int32Array;
  readonly bidPrice: Int32Array;
  readonly bidSize: Int32Array;
}

/** Words of an event before the book in the native call. */
const EVENT_WORDS = 6;

/**
 * Features event by event: the state machine that `computeFeatures` runs over a whole session, equal to the bit.
 */
export class FeatureStream {
  readonly names: readonly string[];
  readonly levels: number;
  readonly #extractor: FeatureExtractor;
  readonly #words: Int32Array;
  readonly #time: BigInt64Array;

  /** @throws FlashbookError `OPTION` for a feature set that does not fit a book of `levels` levels. */
  constructor(featureSet: FeatureSet, instrument: Pick<Instrument, 'tickSize'>, levels: number) {
    this.names = featureNames(featureSet, levels);
    this.levels = levels;
    this.#extractor = createExtractor(featureSet, instrument, levels);
    const words = EVENT_WORDS + 4 * levels;
    const buffer = new ArrayBuffer(4 * words);
    this.#words = new Int32Array(buffer);
    this.#time = new BigInt64Array(buffer, 0, 1);
  }

  /** Length of a row. */
  get columns(): number {
    return this.names.length;
  }

  /**
   * The features after `event`, which led to `book`.
   *
   * @param out a row to write into, of `columns` elements; a new one is made where it is left out.
   * @throws FlashbookError `SHAPE` for a book of other levels or an `out` of other length, `OPTION` for an event whose time is no bigint
   *   or whose other numbers are no 32-bit integers.
   */
  push(
    event: FeatureEvent,
    book: FeatureBookRow,
    out: Float32Array = new Float32Array(this.names.length),
  ): Float32Array {
    const levels = this.levels;
    for (const side of SIDES) {
      if (!(book?.[side] instanceof Int32Array) || book[side].length !== levels)
        throw invalid(`book.${side}`, `an Int32Array of ${levels} levels`, book[side], 'SHAPE');
    }
    if (typeof event.timeNs !== 'bigint') throw invalid('event.timeNs', 'a bigint of nanoseconds', event.timeNs);
    for (const name of INTEGERS) {
      if ((event[name] | 0) !== event[name]) throw invalid(`event.${name}`, 'a 32-bit integer', event[name]);
    }
    const words = this.#words;
    this.#time[0] = event.timeNs;
    words[2] = event.price;
    words[3] = event.size;
    words[4] = event.type;
    words[5] = event.side;
    words.set(book.askPrice, EVENT_WORDS);
    words.set(book.askSize, EVENT_WORDS + levels);
    words.set(book.bidPrice, EVENT_WORDS + 2 * levels);
    words.set(book.bidSize, EVENT_WORDS + 3 * levels);
    this.#extractor.update(words, out);
    return out;
  }

  /** Forgets the past: the next event is the first. */
  reset(): void {
    this.#extractor.reset();
  }
}

const INTEGERS = ['price', 'size', 'type', 'side'] as const;
const SIDES = ['askPrice', 'askSize', 'bidPrice', 'bidSize'] as const;
