import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { FlashbookError, invalid } from '../core/errors.js';
import { writeFileAtomic } from '../core/files.js';
import { checkOptions, oneOf } from '../core/options.js';
import type { FeatureTable } from './compute.js';

export type FeatureFormat = 'csv' | 'parquet';

/** Rows formatted at a time: keeps the memory of a long table small. */
const CSV_CHUNK = 4096;
/** Rows of a Parquet row group. */
const ROW_GROUP = 65_536;

/**
 * Writes features to a file, CSV or Parquet by its ending unless `format` says which. The first column is `time_ns` (integer
 * nanoseconds), then one column a feature in float32; in CSV with the shortest digits that give the same float32 back. The
 * file appears whole or not at all, and is written piece by piece.
 *
 * @throws FlashbookError `OPTION` for an unknown format, `SHAPE` where times and rows differ, `FILE` where it cannot be
 * written, `ABORTED` when `signal` fires.
 */
export async function writeFeatureTable(
  path: string,
  table: FeatureTable,
  timeNs: BigInt64Array,
  options: { format?: FeatureFormat; signal?: AbortSignal; onProgress?: (rows: number) => void } = {},
): Promise<void> {
  checkOptions('writeFeatureTable', options, ['format', 'signal', 'onProgress']);
  const format = oneOf<FeatureFormat>('format', options.format ?? formatOf(path), ['csv', 'parquet']);
  if (timeNs.length !== table.rows) throw invalid('timeNs', `${table.rows} times, one a row`, timeNs, 'SHAPE');
  const parts = format === 'csv' ? csvParts(table, timeNs) : parquetParts(table, timeNs);
  await writeFileAtomic(path, watched(parts, options.signal, options.onProgress));
}

function formatOf(path: string): FeatureFormat {
  const lower = path.toLowerCase();
  if (lower.endsWith('.csv')) return 'csv';
  if (lower.endsWith('.parquet')) return 'parquet';
  throw new FlashbookError('OPTION', `expected a file name that ends in .csv or .parquet but received '${path}'`, {
    path,
  });
}

interface Part {
  bytes: string | Uint8Array;
  rows: number;
}

async function* watched(parts: Iterable<Part>, signal?: AbortSignal, onProgress?: (rows: number) => void) {
  for (const { bytes, rows } of parts) {
    if (signal?.aborted)
      throw new FlashbookError('ABORTED', 'writing the features was aborted', {}, { cause: signal.reason });
    yield bytes;
    onProgress?.(rows);
  }
}

function* csvParts({ names, rows, columns, values }: FeatureTable, timeNs: BigInt64Array): Iterable<Part> {
  yield { bytes: `time_ns,${names.join(',')}\n`, rows: 0 };
  for (let start = 0; start < rows; start += CSV_CHUNK) {
    const end = Math.min(rows, start + CSV_CHUNK);
    let text = '';
    for (let i = start; i < end; i++) {
      text += timeNs[i];
      for (let c = 0; c < columns; c++) text += `,${shortest(values[i * columns + c])}`;
      text += '\n';
    }
    yield { bytes: text, rows: end };
  }
}

/** The shortest decimal that rounds to this float32: at most 9 digits are needed (IEEE 754-2019, 5.12.2). */
function shortest(value: number): string {
  const plain = String(value);
  if (plain.length <= 9) return plain;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

function* parquetParts({ names, rows, columns, values }: FeatureTable, timeNs: BigInt64Array): Iterable<Part> {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: [
      { name: 'root', num_children: columns + 1 },
      { name: 'time_ns', type: 'INT64', repetition_type: 'REQUIRED' },
      ...names.map((name) => ({ name, type: 'FLOAT' as const, repetition_type: 'REQUIRED' as const })),
    ],
    createdBy: 'flashbook',
  });
  for (let start = 0; start < rows; start += ROW_GROUP) {
    const end = Math.min(rows, start + ROW_GROUP);
    const columnData: { name: string; data: BigInt64Array | Float32Array }[] = [
      { name: 'time_ns', data: timeNs.subarray(start, end) },
    ];
    for (let c = 0; c < columns; c++) {
      const data = new Float32Array(end - start);
      for (let i = start; i < end; i++) data[i - start] = values[i * columns + c];
      columnData.push({ name: names[c], data });
    }
    parquet.write({ columnData, rowGroupSize: ROW_GROUP });
    yield { bytes: drain(writer), rows: end };
  }
  parquet.finish();
  yield { bytes: drain(writer), rows };
}

/** What the writer holds, taken out of it; its offset in the file goes on. */
function drain(writer: ByteWriter): Uint8Array {
  const bytes = writer.getBytes().slice();
  writer.index = 0;
  return bytes;
}
