/** Features on a CUDA device: many segments of events in one call; the meaning of a feature is told in src/features. */
import { FlashbookError, invalid } from '../core/errors.js';
import { translated } from './addon.js';
import { type CudaAddon, cudaAddon } from './cuda.js';
import { type BookColumns, type EventColumns, type NativeFeatureDefinition, plainMemory } from './features.js';

declare const extractorHandle: unique symbol;
type ExtractorHandle = { readonly [extractorHandle]: true };

declare module './cuda.js' {
  interface CudaAddon {
    createCudaFeatures(names: string[], parameters: Int32Array, levels: number, tickSize: number): ExtractorHandle;
    cudaFeatureColumns(extractor: ExtractorHandle): number;
    runCudaFeatures(
      extractor: ExtractorHandle,
      rows: number,
      segments: BigInt64Array,
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
  }
}

/** Turns events and books into rows of features on the device, to the bits of `FeatureExtractor`. Holds device memory between runs. */
export class CudaFeatureExtractor {
  readonly columns: number;
  readonly #addon: CudaAddon;
  readonly #handle: ExtractorHandle;

  /** @throws FlashbookError `OPTION` for a definition that cannot be, `NATIVE` without a CUDA device */
  constructor(definitions: readonly NativeFeatureDefinition[], levels: number, tickSize: number) {
    this.#addon = cudaAddon();
    const parameters = Int32Array.from(definitions.flatMap(({ from, to, events }) => [from, to, events]));
    const names = definitions.map(({ name }) => name);
    try {
      this.#handle = this.#addon.createCudaFeatures(names, parameters, levels, tickSize);
    } catch (error) {
      throw translated(error);
    }
    this.columns = this.#addon.cudaFeatureColumns(this.#handle);
  }

  /**
   * Writes one row an event. Each segment has a past of its own, as after `FeatureExtractor.reset()`.
   *
   * @param out rows × columns
   * @param segments first row of each segment, rising, the first 0; by default all rows are one
   * @throws FlashbookError `SHAPE` for an array of the wrong type or length, `OPTION` for segments that do not rise, `NATIVE` when the
   * device fails
   */
  run(events: EventColumns, books: BookColumns, out: Float32Array, segments: readonly number[] = [0]): void {
    if (!Array.isArray(segments) || !segments.every((row) => Number.isSafeInteger(row))) {
      throw invalid('segments', 'an array of row numbers', segments);
    }
    const { length, timeNs, type, side, price, size } = events;
    const { askPrice, askSize, bidPrice, bidSize } = books;
    const arrays = { timeNs, type, side, price, size, askPrice, askSize, bidPrice, bidSize, out };
    for (const [name, array] of Object.entries(arrays)) plainMemory(name, array);
    if (length === 0) {
      if (segments.length > 1) throw new FlashbookError('OPTION', 'expected one segment for no rows');
      return;
    }
    try {
      this.#addon.runCudaFeatures(
        this.#handle,
        length,
        BigInt64Array.from(segments, BigInt),
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
}
