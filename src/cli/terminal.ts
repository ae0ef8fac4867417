import Table from 'cli-table3';
import colors from 'picocolors';
import { describe, FlashbookError } from '../core/errors.js';
import type { Table as TableData } from '../monitor/report/tables.js';

/** Results go to stdout; progress, notes and errors go to stderr, so that pipes and `--json` stay clean. */
export interface Terminal {
  readonly json: boolean;
  /** One line for people; silent under `--json`. */
  line(text?: string): void;
  /** A remark beside the result. */
  note(text: string): void;
  table(table: TableData): void;
  /** The result as an object; only under `--json`. */
  result(value: unknown): void;
}

export function terminal({ json = false }: { json?: boolean } = {}): Terminal {
  return {
    json,
    line: (text = '') => {
      if (!json) process.stdout.write(`${text}\n`);
    },
    note: (text) => {
      process.stderr.write(`${colors.dim(text)}\n`);
    },
    table: (table) => {
      if (!json) process.stdout.write(`${renderTable(table)}\n`);
    },
    result: (value) => {
      if (json) process.stdout.write(`${JSON.stringify(value, jsonValue)}\n`);
    },
  };
}

/** A table as text: title, columns that line up (numbers right, words left), and what must be known to read it. */
export function renderTable({ title, note, head, rows }: TableData): string {
  const aligned = head.map((_, c) => (c > 0 && rows.every((row) => !/^\p{L}/u.test(row[c] ?? '')) ? 'right' : 'left'));
  const table = new Table({
    head: head.map((h) => colors.bold(h)),
    colAligns: aligned as ('left' | 'right')[],
    style: { head: [], border: [], compact: true },
    chars: BORDERS,
  });
  table.push(...rows);
  const wide = (process.stdout.columns ?? 110) - 2;
  return `\n${colors.bold(title)}\n${table.toString()}\n${colors.dim(wrap(note, Math.max(60, Math.min(wide, 140))))}`;
}

const BORDERS = {
  top: '─',
  'top-mid': '─',
  'top-left': '',
  'top-right': '',
  bottom: '─',
  'bottom-mid': '─',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '─',
  'mid-mid': '─',
  right: '',
  'right-mid': '',
  middle: ' ',
};

function wrap(text: string, width: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last.length + word.length + 1 > width && last !== '') lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.join('\n');
}

/** bigint as a number where it is exact, typed arrays as arrays: what JSON cannot say by itself. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Array.from(value as unknown as ArrayLike<number>);
  return value;
}

/** An error as the command line shows it: one sentence and what to do; a stack only for defects of flashbook itself. */
export function reportError(error: unknown, { json }: { json: boolean }): void {
  const known = error instanceof FlashbookError;
  const message = error instanceof Error ? error.message : describe(error);
  if (json) {
    const details = known ? { code: error.code, message, ...error.details } : { code: 'INTERNAL', message };
    process.stdout.write(`${JSON.stringify({ error: details }, jsonValue)}\n`);
  }
  process.stderr.write(`${colors.red('error')} ${message}\n`);
  if (!known && error instanceof Error) {
    process.stderr.write(
      `${colors.dim(error.stack ?? '')}\nThis is a defect of flashbook; please report it with the lines above.\n`,
    );
  }
}
