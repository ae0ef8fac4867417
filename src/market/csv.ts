import { FlashbookError } from '../core/errors.js';
import type { ReadMeter } from './read-options.js';
import { readError, type TextSource } from './text-source.js';

export const NEWLINE = 10;
export const RETURN = 13;
export const COMMA = 44;
export const MINUS = 45;
export const POINT = 46;
export const ZERO = 48;
export const NINE = 57;

/** Takes bytes [start, end) that hold whole lines; the byte before `end` is a newline. */
export type BlockParser = (bytes: Uint8Array, start: number, end: number) => void;

/**
 * Streams a text file to a parser in blocks of whole lines. A last line without a newline gets one.
 * @throws FlashbookError `FORMAT` when the file is empty or its compressed data are damaged, `FILE` when it cannot be read,
 *   `ABORTED` through the meter, and whatever the parser throws.
 */
export async function readLines(source: TextSource, parse: BlockParser, meter: ReadMeter): Promise<void> {
  if (source.bytes === 0)
    throw new FlashbookError('FORMAT', `${source.name} is empty (0 bytes)`, { file: source.name });
  const stream = await source.open();
  let rest: Uint8Array = new Uint8Array(0);
  try {
    for await (const chunk of stream) {
      const bytes = chunk as Buffer;
      meter.add(bytes.length);
      const last = bytes.lastIndexOf(NEWLINE);
      if (last < 0) {
        rest = Buffer.concat([rest, bytes]);
        if (rest.length > MAX_LINE) throw tooLong(source.name);
        continue;
      }
      let start = 0;
      if (rest.length > 0) {
        start = bytes.indexOf(NEWLINE) + 1;
        const joined = Buffer.concat([rest, bytes.subarray(0, start)]);
        parse(joined, 0, joined.length);
      }
      if (start <= last) parse(bytes, start, last + 1);
      rest = bytes.subarray(last + 1);
    }
  } catch (cause) {
    throw streamError(source.name, cause);
  } finally {
    stream.destroy();
  }
  if (rest.length > 0) {
    const line = Buffer.concat([rest, Uint8Array.of(NEWLINE)]);
    parse(line, 0, line.length);
  }
}

/** A line longer than this is no row of any market data file; it keeps a binary file from filling the memory. */
const MAX_LINE = 1 << 22;

function tooLong(file: string): FlashbookError {
  return new FlashbookError('FORMAT', `${file} has a line of more than ${MAX_LINE} bytes; it is not a CSV file`, {
    file,
  });
}

function streamError(file: string, cause: unknown): FlashbookError {
  if (cause instanceof FlashbookError) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === undefined || code.startsWith('Z_')) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new FlashbookError(
      'FORMAT',
      `the compressed data of ${file} are damaged (${reason}); download or copy it again`,
      { file, reason },
      { cause },
    );
  }
  return readError(file, cause);
}

/** The line that begins at `start`, as text, without its line end. */
export function lineAt(bytes: Uint8Array, start: number): string {
  let end = start;
  while (end < bytes.length && bytes[end] !== NEWLINE) end++;
  if (end > start && bytes[end - 1] === RETURN) end--;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

/** The error for a cell: file, row (1 is the first line), column, what came, what was expected. */
export function cellError(
  file: string,
  row: number,
  column: string,
  value: string | number,
  expected: string,
  code: 'FORMAT' | 'DATA' = 'FORMAT',
): FlashbookError {
  const shown = typeof value === 'string' && value.length > 40 ? `${value.slice(0, 37)}…` : value;
  return new FlashbookError(code, `${file}, row ${row}, column ${column}: expected ${expected}, found '${shown}'`, {
    file,
    row,
    column,
    value,
    expected,
  });
}

/** The error for a row with too few or too many columns. */
export function columnCountError(
  file: string,
  row: number,
  found: number,
  expected: number,
  names: string,
): FlashbookError {
  return new FlashbookError('FORMAT', `${file}, row ${row}: expected ${expected} columns (${names}), found ${found}`, {
    file,
    row,
    value: found,
    expected,
  });
}
