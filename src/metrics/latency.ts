import { FlashbookError, invalid } from '../core/errors.js';
import { finite, integer } from '../core/options.js';

export interface LatencySummary {
  count: number;
  p50Ms: number;
  p90Ms: number;
  p99Ms: number;
  maxMs: number;
  /** Bins of equal width on a logarithmic scale: edges (n + 1) in ms, counts (n). */
  histogram: { edgesMs: number[]; counts: number[] };
}

/**
 * The nearest-rank percentile: the smallest sample that at least `share` of the samples do not exceed. Always a value that was
 * measured, and never kinder than the truth as an interpolated one may be.
 *
 * @param sorted rising, not empty
 * @param share in [0, 1]
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0)
    throw new FlashbookError('DATA', 'expected samples to take a percentile of but received none');
  finite('share', share, 0, 1);
  return sorted[Math.max(0, Math.ceil(share * sorted.length - 1e-9) - 1)];
}

/** Percentiles and a histogram of latencies in milliseconds. @throws FlashbookError `DATA` for none, `NUMERIC` for one that is negative or not finite */
export function latencySummary(samplesMs: ArrayLike<number>, bins = 40): LatencySummary {
  integer('bins', bins, 1, 10_000);
  const sorted = Float64Array.from(samplesMs).sort();
  for (let i = 0; i < samplesMs.length; i++) {
    const value = samplesMs[i];
    if (!(value >= 0 && Number.isFinite(value)))
      throw invalid(`samplesMs[${i}]`, 'a time of at least 0', value, 'NUMERIC');
  }
  const summary = {
    count: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p90Ms: percentile(sorted, 0.9),
    p99Ms: percentile(sorted, 0.99),
    maxMs: sorted[sorted.length - 1],
  };
  // A clock may be too coarse to tell 0 from something: the scale starts at a nanosecond.
  const low = Math.max(sorted[0], 1e-6);
  const high = Math.max(summary.maxMs, low * 1.001);
  const edgesMs = Array.from({ length: bins + 1 }, (_, i) => low * (high / low) ** (i / bins));
  edgesMs[bins] = high;
  const counts = new Array<number>(bins).fill(0);
  const scale = bins / Math.log(high / low);
  for (const value of sorted) counts[Math.max(0, Math.min(bins - 1, Math.floor(Math.log(value / low) * scale)))]++;
  return { ...summary, histogram: { edgesMs, counts } };
}
