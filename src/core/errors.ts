/**
 * Every error that flashbook raises on purpose.
 *
 * A message says four things: what was expected, for which name, what came, and what to do. `code` is stable and
 * meant for programs; `details` holds the same facts as data (file, row, column, value …).
 */
export type ErrorCode =
  | 'OPTION' // an option with a wrong name, type or value
  | 'FILE' // a file that is missing, unreadable, or cannot be written
  | 'FORMAT' // a file whose content is not what its format says
  | 'DATA' // well-formed input that makes no sense (time going back, crossed book, one class only …)
  | 'SHAPE' // a tensor or typed array of the wrong shape, length or dtype
  | 'ARTEFACT' // a .fbk file that is damaged, foreign or too new
  | 'NATIVE' // the native core is absent or refused
  | 'BACKEND' // an optional backend (ONNX Runtime, CUDA) is absent or failed
  | 'DISPOSED' // use after dispose()
  | 'ABORTED' // the caller's AbortSignal fired
  | 'NUMERIC' // NaN or infinity where a finite number is needed
  | 'INTERNAL'; // a defect of flashbook itself

export type ErrorDetails = Record<string, string | number | bigint | boolean | null | undefined>;

export class FlashbookError extends Error {
  override readonly name = 'FlashbookError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The one sentence for a wrong value: «expected WHAT for NAME but received VALUE of type T». */
export function invalid(name: string, expected: string, received: unknown, code: ErrorCode = 'OPTION'): FlashbookError {
  return new FlashbookError(code, `expected ${expected} for ${name} but received ${describe(received)}`, { name });
}

/** A value as it is shown in an error: short, with its type. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (ArrayBuffer.isView(value)) {
    const length = 'length' in value ? (value as unknown as { length: number }).length : value.byteLength;
    return `${value.constructor.name}(${length})`;
  }
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(String).join(', ')}${value.length > 8 ? ', …' : ''}]`;
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}…` : value}' of type string`;
  if (typeof value === 'object') return value.constructor?.name ?? 'object';
  return `${String(value)} of type ${typeof value}`;
}
