import type { BenchResults } from './results.js';
import { fastTimes } from './results.js';

/** A case whose time is not what it was. */
export interface Change {
  id: string;
  beforeMs: number;
  afterMs: number;
  /** After over before, both in units of what the machine could do at the time: above 1 is slower. */
  ratio: number;
  /** How far the ratio may be from 1 by noise alone. */
  tolerance: number;
}

export interface Comparison {
  slower: Change[];
  faster: Change[];
  /** Cases of both runs that neither got slower nor faster beyond the noise. */
  same: number;
  /** Cases of the baseline that this run has no time for, be it that its result is wrong. */
  missing: string[];
  /** What makes the comparison doubtful. */
  remarks: string[];
}

/** Even two quiet runs of one program differ by some percent: where the pages lie, which core it is. */
const LEAST = 0.05;
/** Peaks that differ by less are one machine in one mood. */
const PEAK_NOISE = 0.03;

/**
 * Compares the times of flashbook with those of an earlier run. Slower is what is slower in its median and in its best time,
 * by more than 5 % and more than three times the noise of both runs. Times count in units of the float32 peak that was measured in
 * the same run, so that a clock that runs slower today is no change of the program.
 */
export function compareResults(baseline: BenchResults, now: BenchResults): Comparison {
  const comparison: Comparison = { slower: [], faster: [], same: 0, missing: [], remarks: [] };
  if (baseline.cpu !== now.cpu) comparison.remarks.push(`the baseline is of another processor, ${baseline.cpu}`);
  if (baseline.isa !== now.isa) comparison.remarks.push(`the baseline is of another instruction set, ${baseline.isa}`);
  if (baseline.quick !== now.quick) comparison.remarks.push('one of the two runs was a quick one');
  const speeds = new Map(now.peaks.map(({ threads }) => [threads, peakRatio(baseline, now, threads)]));
  const rows = new Map(now.rows.map((row) => [row.id, row]));
  for (const before of baseline.rows) {
    const old = fastTimes(before);
    if (old === undefined) continue;
    const after = rows.get(before.id);
    const fresh = after && fastTimes(after);
    if (fresh === undefined) {
      if (after !== undefined) comparison.missing.push(before.id);
      continue;
    }
    const speed = speeds.get(before.threads) ?? 1;
    const ratio = (fresh.medianMs / old.medianMs) * speed;
    const bestRatio = (fresh.minMs / old.minMs) * speed;
    const tolerance = Math.max(LEAST, 3 * Math.hypot(old.noise, fresh.noise));
    const change = { id: before.id, beforeMs: old.medianMs, afterMs: fresh.medianMs, ratio, tolerance };
    if (Math.min(ratio, bestRatio) > 1 + tolerance) comparison.slower.push(change);
    else if (Math.max(ratio, bestRatio) < 1 / (1 + tolerance)) comparison.faster.push(change);
    else comparison.same++;
  }
  comparison.slower.sort((a, b) => b.ratio - a.ratio);
  comparison.faster.sort((a, b) => a.ratio - b.ratio);
  return comparison;
}

/** The peak now over the peak then; 1 where they are the same but for noise. */
function peakRatio(baseline: BenchResults, now: BenchResults, threads: number): number {
  const [then, today] = [baseline, now].map(({ peaks }) => peaks.find((one) => one.threads === threads)?.f32);
  if (then === undefined || today === undefined) return 1;
  const ratio = today / then;
  return Math.abs(ratio - 1) < PEAK_NOISE ? 1 : ratio;
}
