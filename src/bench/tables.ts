import { milliseconds, percent } from '../monitor/report/format.js';
import type { Table } from '../monitor/report/tables.js';
import type { Comparison } from './compare.js';
import { type BenchResults, type BenchRow, bestOf, fastTimes } from './results.js';

/** The results for people: peaks, a table for each suite and number of threads, what went wrong, the promises. */
export function benchTables(results: BenchResults): Table[] {
  const tables = [peakTable(results)];
  const groups = new Map<string, BenchRow[]>();
  for (const row of results.rows) {
    const key = `${row.suite}, ${row.threads} thread${row.threads === 1 ? '' : 's'}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  for (const [title, rows] of groups) tables.push(suiteTable(title, rows));
  const failures = failureTable(results.rows);
  if (failures.rows.length > 0) tables.push(failures);
  if (results.headlines.length > 0) tables.push(headlineTable(results));
  return tables;
}

function peakTable({ peaks, cpu, isa, quick }: BenchResults): Table {
  const rate = (value: number | null) => (value === null ? '–' : value.toFixed(value < 100 ? 1 : 0));
  return {
    title: `What this machine can do: ${cpu}, ${isa}`,
    note:
      'Measured now: independent multiply-adds on registers alone (GFLOP/s, Gop/s), and plain sweeps, read and b + c/2, over memory ' +
      `that no cache holds and over a core's own cache (GB/s).${quick ? ' A quick run: look again before you believe a figure.' : ''}`,
    head: ['threads', 'float32', 'bf16', 'int8', 'memory read', 'triad', 'cache read', 'triad'],
    rows: peaks.map((one) => [
      String(one.threads),
      ...[one.f32, one.bf16, one.int8, one.memoryRead, one.memoryTriad, one.cacheRead, one.cacheTriad].map(rate),
    ]),
  };
}

function suiteTable(title: string, rows: readonly BenchRow[]): Table {
  const has = (role: 'plain' | 'naive' | 'rival') => rows.some((row) => bestOf(row, role) !== undefined);
  const others = (['plain', 'naive', 'rival'] as const).filter(has);
  const heads = { plain: 'plain', naive: 'JavaScript', rival: 'ONNX Runtime' };
  const rated = rows.some((row) => row.bound !== 'none');
  const counted = rows.some((row) => row.items !== undefined);
  return {
    title,
    note:
      'Medians of interleaved turns, checked results only; plain, JavaScript and ONNX Runtime: how many times as long as flashbook ' +
      'they take, the fastest form of each.' +
      (rows.some((row) => (fastTimes(row)?.quiet ?? 1) < 1 / 3)
        ? ' ~: other processes ran most of the time; look at the best time.'
        : ''),
    head: [
      'case',
      'median',
      'p99',
      'best',
      ...(rated ? ['rate', 'of peak'] : []),
      ...(counted ? ['items/s'] : []),
      ...others.map((role) => heads[role]),
    ],
    rows: rows.map((row) => {
      const fast = fastTimes(row);
      const name = fast !== undefined && fast.quiet < 1 / 3 ? `${row.name} ~` : row.name;
      const cells = fast
        ? [milliseconds(fast.medianMs), milliseconds(fast.p99Ms), milliseconds(fast.minMs)]
        : ['wrong', '–', '–'];
      if (rated) cells.push(rateOf(row), fast?.ofPeak == null ? '–' : percent(fast.ofPeak, 0));
      if (counted) cells.push(fast?.itemsPerSecond == null ? '–' : scaled(fast.itemsPerSecond));
      for (const role of others) {
        const ratio = bestOf(row, role)?.ratio;
        cells.push(ratio == null ? '–' : `${ratio.toFixed(ratio < 10 ? 2 : 0)}×`);
      }
      return [name, ...cells];
    }),
  };
}

function rateOf(row: BenchRow): string {
  const rate = fastTimes(row)?.rate;
  if (rate == null) return '–';
  const unit = row.bound === 'memory' ? 'GB/s' : row.bound === 'int8' ? 'Gop/s' : 'GFLOP/s';
  return `${rate.toFixed(rate < 100 ? 1 : 0)} ${unit}`;
}

/** 1234567 → '1.23M'. */
function scaled(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  return value >= 1e3 ? `${(value / 1e3).toFixed(2)}k` : value.toFixed(1);
}

function failureTable(rows: readonly BenchRow[]): Table {
  return {
    title: 'Not timed',
    note: 'A contender whose result is wrong gets no time; one that this machine has not is left out.',
    head: ['case', 'contender', 'why'],
    rows: rows.flatMap((row) =>
      row.failures.map(({ name, problem, wrong }) => [row.id, name, wrong ? `wrong: ${problem}` : problem]),
    ),
  };
}

function headlineTable({ headlines }: BenchResults): Table {
  return {
    title: 'Promises',
    note: 'Of this run and this machine.',
    head: ['what', 'target', 'measured', ''],
    rows: headlines.map(({ subject, target, measured, met }) => [subject, target, measured, met ? 'met' : 'missed']),
  };
}

/** What differs from an earlier run. */
export function comparisonTable(comparison: Comparison, baseline: string): Table {
  const { slower, faster, same, missing, remarks } = comparison;
  const line = (what: string, { id, beforeMs, afterMs, ratio, tolerance }: Comparison['slower'][number]) => [
    id,
    what,
    milliseconds(beforeMs),
    milliseconds(afterMs),
    `${ratio.toFixed(2)}×`,
    `± ${percent(tolerance, 0)}`,
  ];
  return {
    title: `Against ${baseline}`,
    note: [
      `${slower.length} slower, ${faster.length} faster, ${same} the same within the noise. The ratio is in units of each run's float32 peak.`,
      ...(missing.length > 0 ? [`No time any more: ${missing.join('; ')}.`] : []),
      ...remarks.map((remark) => `Beware: ${remark}.`),
    ].join(' '),
    head: ['case', '', 'before', 'now', 'ratio', 'noise'],
    rows: [...slower.map((one) => line('slower', one)), ...faster.map((one) => line('faster', one))],
  };
}
