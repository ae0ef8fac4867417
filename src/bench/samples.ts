import { percentile } from '../metrics/index.js';

/** Times of one contender, in milliseconds a call. */
export interface TimeSummary {
  samples: number;
  minMs: number;
  medianMs: number;
  p99Ms: number;
  /** How far apart the medians of the rounds are, as a share: half the distance of their quartiles from each other. */
  noise: number;
  /** Share of the rounds in which the machine did nothing else. */
  quiet: number;
}

/** The samples of one round: nanoseconds a call. */
export interface Round {
  quiet: boolean;
  ns: number[];
}

/**
 * Sums up rounds. Where at least a third of them were quiet, only those count: what another process takes is not the
 * contender's time.
 */
export function summarise(rounds: readonly Round[]): TimeSummary {
  const quiet = rounds.filter((round) => round.quiet);
  const used = quiet.length >= Math.max(1, rounds.length / 3) ? quiet : rounds;
  const sorted = Float64Array.from(used.flatMap(({ ns }) => ns)).sort();
  const medians = used.map(({ ns }) => percentile(Float64Array.from(ns).sort(), 0.5)).sort((a, b) => a - b);
  const median = percentile(sorted, 0.5);
  return {
    samples: sorted.length,
    minMs: sorted[0] / 1e6,
    medianMs: median / 1e6,
    p99Ms: percentile(sorted, 0.99) / 1e6,
    noise: (percentile(medians, 0.75) - percentile(medians, 0.25)) / 2 / median,
    quiet: quiet.length / rounds.length,
  };
}
