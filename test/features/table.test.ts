import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { writeFeatureTable } from '../../src/features/index.js';

const folder = mkdtempSync(join(tmpdir(), 'flashbook-table-'));
afterAll(() => rmSync(folder, { recursive: true }));

function table(rows: number) {
  const random = new Random(rows);
  const names = ['spread', 'imbalance_1', 'past_return_over_10'];
  const columns = names.length;
  const values = Float32Array.from({ length: rows * columns }, () => random.normal() * 10 ** (random.below(9) - 4));
  values.set([0, -0, 1e-45, 3.4028234663852886e38, 0.1].slice(0, values.length));
  return { names, rows, columns, values };
}

const times = (rows: number) => BigInt64Array.from({ length: rows }, (_, i) => 1_718_000_000_123_456_789n + BigInt(i));

describe('writeFeatureTable', () => {
  it.each([0, 1, 5000])('writes CSV that gives the same float32 back: %i rows', async (rows) => {
    const path = join(folder, `t${rows}.csv`);
    const { names, values, columns, ...rest } = table(rows);
    const timeNs = times(rows);
    const seen: number[] = [];
    await writeFeatureTable(path, { names, values, columns, ...rest }, timeNs, {
      onProgress: (n) => seen.push(n),
    });
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines[0]).toBe(`time_ns,${names.join(',')}`);
    expect(lines).toHaveLength(rows + 1);
    for (let i = 0; i < rows; i++) {
      const [time, ...cells] = lines[i + 1].split(',');
      if (BigInt(time) !== timeNs[i]) expect.fail(`time of row ${i}`);
      cells.forEach((cell, c) => {
        if (Math.fround(Number(cell)) !== values[i * columns + c]) expect.fail(`row ${i}, column ${c}: ${cell}`);
      });
      if (cells.length !== columns || cells.some((cell) => cell.length > 16)) expect.fail(lines[i + 1]);
    }
    expect(seen.at(-1) ?? 0).toBe(rows);
  });

  it.each([0, 1, 70_000])('writes Parquet that reads back equal: %i rows', async (rows) => {
    const path = join(folder, `t${rows}.parquet`);
    const { names, values, columns, ...rest } = table(rows);
    const timeNs = times(rows);
    await writeFeatureTable(path, { names, values, columns, ...rest }, timeNs);
    const metadata = parquetMetadata(new Uint8Array(readFileSync(path)).buffer);
    expect(Number(metadata.num_rows)).toBe(rows);
    expect(metadata.schema.slice(1).map(({ name, type }) => [name, type])).toEqual([
      ['time_ns', 'INT64'],
      ...names.map((name) => [name, 'FLOAT']),
    ]);
    const read = rows === 0 ? [] : await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    expect(read).toHaveLength(rows);
    for (let i = 0; i < rows; i++) {
      if (read[i].time_ns !== timeNs[i]) expect.fail(`time of row ${i}`);
      for (let c = 0; c < columns; c++) {
        if (read[i][names[c]] !== values[i * columns + c]) expect.fail(`row ${i}, column ${c}: ${read[i][names[c]]}`);
      }
    }
  });

  it('leaves nothing behind when it cannot', async () => {
    const before = readdirSync(folder).length;
    const t = table(10_000);
    await expect(writeFeatureTable(join(folder, 'no', 't.csv'), t, times(10_000))).rejects.toThrow(
      /cannot write .*no.t.csv/,
    );
    await expect(writeFeatureTable(join(folder, 't.txt'), t, times(10_000))).rejects.toThrow(
      /ends in .csv or .parquet/,
    );
    await expect(writeFeatureTable(join(folder, 'x.csv'), t, times(3))).rejects.toThrow(/10000 times, one a row/);
    const options = { format: 'excel' as never };
    await expect(writeFeatureTable(join(folder, 'x.csv'), t, times(10_000), options)).rejects.toThrow(
      /'csv', 'parquet'/,
    );
    const existing = join(folder, 'kept.csv');
    writeFileSync(existing, 'what was there');
    const aborted = { signal: AbortSignal.abort() };
    await expect(writeFeatureTable(existing, t, times(10_000), aborted)).rejects.toMatchObject({ code: 'ABORTED' });
    expect(readFileSync(existing, 'utf8')).toBe('what was there');
    expect(readdirSync(folder).length).toBe(before + 1);
  });
});
