/** The native feature extractor; its meaning is told in src/features. */
import { invalid } from '../core/errors.js';
import { type Addon, translated } from './addon.js';
import { requireAddon } from './load.js';

/** A feature as the native table has it. */
export interface NativeFeatureKind {
  name: string;
  levels: boolean;
  events: boolean;
  columnsPerLevel: number;
  columns: number;
}

/** A feature with its parameters in place; what it does not take is 0. */
export interface NativeFeatureDefinition {
  name: string;
  from: number;
  to: number;
  events: number;
}

/** Columns of events, as in `EventBatch`. */
export interface EventColumns {
  readonly length: number;
  readonly timeNs: BigInt64Array;
  readonly type: Uint8Array;
  readonly side: Int8Array;
  readonly price: Int32Array;
  readonly size: Int32Array;
}

/** Columns of books (rows × levels), as in `BookSnapshots`. */
export interface BookColumns {
  readonly askPrice: Int32Array;
  readonly askSize: Int32Array;
  readonly bidPrice: Int32Array;
  readonly bidSize: Int32Array;
}

declare const extractorHandle: unique symbol;
type ExtractorHandle = { readonly [extractorHandle]: true };

declare module './addon.js' {
  interface Addon {
    featureKinds(): NativeFeatureKind[];
    createFeatureExtractor(names: string[], parameters: Int32Array, levels: number, tickSize: number): ExtractorHandle;
    featureColumns(extractor: ExtractorHandle): number;
    resetFeatures(extractor: ExtractorHandle): void;
    runFeatures(
      extractor: ExtractorHandle,
      rows: number,
      timeNs: BigInt64Array,
      type: Uint8Array,
      side: Int8Array,
      price: Int32Array,
      size: Int32Array,
      askPrice: Int32Array,
      askSize: Int32Array,
      bidPrice: Int32Array,
      bidSize: Int32Array,
      out: Float32Array,
    ): void;
    updateFeatures(extractor: ExtractorHandle, input: Int32Array, out: Float32Array): void;
  }
}

/** The features that the native core has. */
export function featureKinds(): NativeFeatureKind[] {
  return requireAddon().featureKinds();
}

/** Turns events and books into rows of features, one after another; it holds the past that the features need. */
export class FeatureExtractor {
  readonly columns: number;
  readonly #addon: Addon;
  readonly #handle: ExtractorHandle;

  /** @throws FlashbookError `OPTION` for a definition that cannot be, `NATIVE` without the native core */
  constructor(definitions: readonly NativeFeatureDefinition[], levels: number, tickSize: number) {
    this.#addon = requireAddon();
    const parameters = Int32Array.from(definitions.flatMap(({ from, to, events }) => [from, to, events]));
    const names = definitions.map(({ name }) => name);
    try {
      this.#handle = this.#addon.createFeatureExtractor(names, parameters, levels, tickSize);
    } catch (error) {
      throw translated(error);
    }
    this.columns = this.#addon.featureColumns(this.#handle);
  }

  /**
   * Goes on over a batch and writes one row an event.
   *
   * @param out rows × columns
   * @throws FlashbookError `SHAPE` for an array of the wrong type or length
   */
  run(events: EventColumns, books: BookColumns, out: Float32Array): void {
    const { length, timeNs, type, side, price, size } = events;
    const { askPrice, askSize, bidPrice, bidSize } = books;
    const arrays = { timeNs, type, side, price, size, askPrice, askSize, bidPrice, bidSize, out };
    for (const [name, array] of Object.entries(arrays)) plainMemory(name, array);
    try {
      this.#addon.runFeatures(
        this.#handle,
        length,
        timeNs,
        type,
        side,
        price,
        size,
        askPrice,
        askSize,
        bidPrice,
        bidSize,
        out,
      );
    } catch (error) {
      throw translated(error);
    }
  }

  /**
   * One event and the book after it: `input` holds the time in two words as they lie in memory, price, size, type and side,
   * then the levels' ask prices, ask sizes, bid prices and bid sizes.
   */
  update(input: Int32Array, out: Float32Array): void {
    plainMemory('out', out);
    try {
      this.#addon.updateFeatures(this.#handle, input, out);
    } catch (error) {
      throw translated(error);
    }
  }

  /** Forgets the past. */
  reset(): void {
    this.#addon.resetFeatures(this.#handle);
  }
}

/** Shared memory may change while it is read, resizable memory may shrink: neither is taken. */
export function plainMemory(name: string, array: unknown): void {
  const buffer = (array as { buffer?: unknown } | undefined)?.buffer;
  if (buffer instanceof ArrayBuffer && (buffer as { resizable?: boolean }).resizable !== true) return;
  throw invalid(name, 'a typed array over its own plain memory', array, 'SHAPE');
}
