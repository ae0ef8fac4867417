import { describe, expect, it } from 'vitest';
import { latencySummary, percentile } from '../../src/metrics/index.js';

describe('percentile', () => {
  it('is the nearest rank', () => {
    // The textbook example of the nearest-rank method: 15, 20, 35, 40, 50.
    const sorted = [15, 20, 35, 40, 50];
    expect([0.05, 0.3, 0.4, 0.5, 1].map((share) => percentile(sorted, share))).toEqual([15, 20, 20, 35, 50]);
    expect(percentile([7], 0)).toBe(7);
    expect(
      percentile(
        Array.from({ length: 100 }, (_, i) => i + 1),
        0.99,
      ),
    ).toBe(99);
    expect(() => percentile([], 0.5)).toThrow(/none/);
    expect(() => percentile([1], 1.5)).toThrow(/share/);
  });
});

describe('latencySummary', () => {
  it('summarises unsorted samples and counts each once', () => {
    const samples = Array.from({ length: 1000 }, (_, i) => ((i * 7919) % 1000) + 1);
    const { count, p50Ms, p90Ms, p99Ms, maxMs, histogram } = latencySummary(samples, 10);
    expect([count, p50Ms, p90Ms, p99Ms, maxMs]).toEqual([1000, 500, 900, 990, 1000]);
    expect(histogram.edgesMs).toHaveLength(11);
    expect([histogram.edgesMs[0], histogram.edgesMs[10]]).toEqual([1, 1000]);
    expect(histogram.counts.reduce((a, b) => a + b, 0)).toBe(1000);
    // 1 … 1000 over three decades in 10 bins: the last begins at 10^2.7 = 501.2.
    expect(histogram.counts[9]).toBe(1000 - 501);
  });

  it('bears equal samples and zeros', () => {
    expect(latencySummary([2, 2, 2]).histogram.counts.reduce((a, b) => a + b, 0)).toBe(3);
    expect(latencySummary([0, 0]).p99Ms).toBe(0);
    expect(() => latencySummary([1, -1])).toThrow(/samplesMs\[1\]/);
    expect(() => latencySummary([])).toThrow(/none/);
  });
});
