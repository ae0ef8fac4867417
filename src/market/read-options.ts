import { FlashbookError } from '../core/errors.js';

/** How far a reader has come. `total` is the uncompressed size of all files that will be read. */
export interface ReadProgress {
  readonly done: number;
  readonly total: number;
  readonly unit: 'bytes';
}

export interface ReadOptions {
  /** Stops the reading with an `ABORTED` error. */
  signal?: AbortSignal;
  /** Called now and then while reading, and once at the end with `done === total`. */
  onProgress?: (progress: ReadProgress) => void;
}

export const READ_OPTIONS = ['signal', 'onProgress'] as const;

/** @throws FlashbookError `ABORTED` once the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) {
    throw new FlashbookError('ABORTED', `${what} was stopped by its AbortSignal`, {}, { cause: signal.reason });
  }
}

/** Counts the bytes that a reader has consumed, tells the caller, and stops when the caller says so. */
export class ReadMeter {
  #done = 0;
  #told = 0;

  constructor(
    readonly total: number,
    private readonly options: ReadOptions,
    private readonly what: string,
  ) {}

  add(bytes: number): void {
    throwIfAborted(this.options.signal, this.what);
    this.#done += bytes;
    if (this.#done - this.#told >= 1 << 18) this.#tell(this.#done);
  }

  finish(): void {
    this.#tell(this.total);
  }

  #tell(done: number): void {
    this.#told = done;
    this.options.onProgress?.({ done: Math.min(done, this.total), total: this.total, unit: 'bytes' });
  }
}
