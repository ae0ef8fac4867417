import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, integer } from '../core/options.js';
import { packageVersion } from '../core/version.js';
import { runtimeInfo, setThreads } from '../native/index.js';
import { type BenchCase, caseId } from './case.js';
import { headlines } from './headlines.js';
import { type CaseTimes, type ContenderTimes, FULL, measureCase, QUICK } from './measure.js';
import { measurePeaks, type Peaks, Sweeps } from './peaks.js';
import { Yardstick } from './quiet.js';
import type { BenchResults, BenchRow, BenchTimes } from './results.js';
import type { Suite } from './suite.js';
import { SUITES } from './suites/index.js';

export interface BenchOptions {
  /** Only cases whose name ('gemm/f32 100 × 384 × 128, 1 thread') matches. */
  filter?: RegExp;
  /** Numbers of threads to measure with, each by itself. Default: 1, and all that the process has. */
  threads?: readonly number[];
  /** Fewer and shorter turns. Default false. */
  quick?: boolean;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number, name: string) => void;
  /** Other suites than the package's own. */
  suites?: Readonly<Record<string, Suite>>;
}

const OPTIONS = ['filter', 'threads', 'quick', 'signal', 'onProgress', 'suites'];

/**
 * Measures what this machine can do at most, and then each case: flashbook against plain, naive and rival forms of the same
 * computation, in turns, after their results have been checked.
 *
 * @throws FlashbookError `OPTION` for a filter that nothing matches, `NATIVE` without the native core, `ABORTED`
 */
export async function runBench(options: BenchOptions = {}): Promise<BenchResults> {
  checkOptions('runBench', options, OPTIONS);
  const { filter, quick = false, signal, onProgress, suites = SUITES } = options;
  const { cpu, isa, threads: available } = runtimeInfo();
  const counts = options.threads ?? [...new Set([1, available])];
  for (const count of counts) integer('threads', count, 1, available);
  if (counts.length === 0) throw invalid('threads', 'at least one number', counts);
  try {
    const perThreads: { threads: number; cases: BenchCase[] }[] = [];
    for (const threads of counts) {
      const cases: BenchCase[] = [];
      for (const suite of Object.values(suites)) cases.push(...(await suite({ threads, quick })));
      perThreads.push({ threads, cases: cases.filter((one) => filter === undefined || filter.test(caseId(one))) });
    }
    const total = perThreads.reduce((sum, { cases }) => sum + cases.length, 0);
    if (total === 0) throw new FlashbookError('OPTION', `no case matches the filter ${String(filter)}`);
    const results: BenchResults = {
      version: 1,
      flashbook: packageVersion(),
      cpu,
      isa,
      node: process.versions.node,
      onnxRuntime: await onnxRuntimeVersion(),
      quick,
      peaks: [],
      rows: [],
      headlines: [],
    };
    let done = 0;
    for (const { threads, cases } of perThreads) {
      if (cases.length === 0) continue;
      onProgress?.(done, total, 'what the machine can do');
      const peaks = measurePeaks(threads);
      const sweeps = new Sweeps(threads);
      const yardstick = new Yardstick(threads);
      results.peaks.push(peaks);
      for (const one of cases) {
        onProgress?.(done, total, caseId(one));
        const measured = await measureCase(one, { pace: quick ? QUICK : FULL, yardstick, ...(signal && { signal }) });
        results.rows.push(asRow(one, measured, peaks, sweeps));
        done++;
      }
    }
    onProgress?.(done, total, '');
    results.headlines = await headlines(results);
    return results;
  } finally {
    setThreads(available);
  }
}

async function onnxRuntimeVersion(): Promise<string | null> {
  try {
    return (await import('onnxruntime-node')).env.versions.node ?? null;
  } catch {
    return null;
  }
}

function asRow(one: BenchCase, { times, failures }: CaseTimes, peaks: Peaks, sweeps: Sweeps): BenchRow {
  const { suite, name, threads, bound, operations, bytes, items } = one;
  const fast = times.find(({ role }) => role === 'fast');
  const peak = peakOf(one, peaks, sweeps);
  const work = bound === 'memory' ? bytes : operations;
  const full = (time: ContenderTimes): BenchTimes => {
    const rate = bound === 'none' || work === 0 ? null : work / time.medianMs / 1e6;
    return {
      ...time,
      rate,
      ofPeak: rate === null || peak === null ? null : rate / peak,
      itemsPerSecond: items === undefined ? null : (1000 * items.count) / time.medianMs,
      ratio: fast === undefined ? null : time.medianMs / fast.medianMs,
    };
  };
  return {
    id: caseId(one),
    suite,
    name,
    threads,
    bound,
    operations,
    bytes,
    ...(items && { items: { ...items } }),
    times: times.map(full),
    failures,
  };
}

/** What bounds a case, in units of its rate; memory by a plain sweep over as much of it. */
function peakOf({ bound, bytes, threads }: BenchCase, peaks: Peaks, sweeps: Sweeps): number | null {
  if (bound === 'none') return null;
  if (bound === 'memory') return sweeps.rate('triad', bytes / threads);
  if (bound === 'bf16') return peaks.bf16 ?? peaks.f32;
  return peaks[bound];
}
