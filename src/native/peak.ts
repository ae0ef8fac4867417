/** The native loops that tell what the machine can do at most; src/bench holds the clock. */
import { FlashbookError } from '../core/errors.js';
import { integer, oneOf } from '../core/options.js';
import { type Isa, translated } from './addon.js';
import { requireAddon } from './load.js';

declare module './addon.js' {
  interface Addon {
    runPeak(kind: string, isa: Isa | undefined, threads: number, rounds: number, memory?: Float32Array): number;
  }
}

/** Multiply-adds of a precision on registers alone, or a sweep over memory: a sum of all, or a ← b + c/2. */
export const PEAK_KINDS = ['f32', 'bf16', 'int8', 'read', 'triad'] as const;
export type PeakKind = (typeof PEAK_KINDS)[number];

export interface PeakRun {
  /** Threads of the pool that work at once, each the whole `rounds`; see `setThreads`. */
  threads: number;
  /** Rounds of arithmetic, or sweeps of each thread over its part of the memory. */
  rounds: number;
  isa?: Isa;
  /** For 'read' and 'triad': what is swept over. */
  memory?: Float32Array;
}

/**
 * Runs a loop and returns how many operations (multiply-adds count two) or bytes it made; 0 where the instruction set has
 * no instruction of its own for the precision.
 *
 * @throws FlashbookError `OPTION`, `SHAPE`, or `NATIVE` without the native core or the instruction set
 */
export function runPeak(kind: PeakKind, { threads, rounds, isa, memory }: PeakRun): number {
  oneOf('kind', kind, PEAK_KINDS);
  integer('threads', threads, 1, 256);
  integer('rounds', rounds, 1, 1e12);
  if ((kind === 'read' || kind === 'triad') && memory === undefined)
    throw new FlashbookError('SHAPE', `expected a Float32Array for memory, which '${kind}' sweeps over`);
  try {
    return requireAddon().runPeak(kind, isa, threads, rounds, memory);
  } catch (error) {
    throw translated(error);
  }
}
