/** What is timed, and in what it is counted. */

/**
 * What an operation is bound by: arithmetic of a precision, which has a peak in operations a second, or memory, which has one in
 * bytes a second; 'none' where neither says anything.
 */
export type Bound = 'f32' | 'bf16' | 'int8' | 'memory' | 'none';

/** 'fast' is what flashbook does; the others are what it is compared with. */
export type Role = 'fast' | 'plain' | 'naive' | 'rival';

/** A contender that is ready to run. */
export interface Turn {
  /** One call; returns its duration in nanoseconds as the contender itself sees it. */
  run(): number | Promise<number>;
  /** What the last call computed. */
  output(): ArrayLike<number>;
  close(): void | Promise<void>;
}

export interface Contender {
  role: Role;
  name: string;
  /** The largest |difference| from what is expected, as a share of the largest expected magnitude. */
  tolerance: number;
  open(): Turn | Promise<Turn>;
}

/** Some or all elements of the right result, from a computation that is obviously right. */
export interface Expected {
  /** Places in the output; absent: all, from the first on. */
  at?: ArrayLike<number>;
  values: ArrayLike<number>;
}

export interface BenchCase {
  suite: string;
  /** Unique with the suite and the number of threads. */
  name: string;
  threads: number;
  bound: Bound;
  /** Useful operations of one call (a multiply-add counts two), and bytes that it must read and write at least. */
  operations: number;
  bytes: number;
  /** What one call makes many of, for a rate: 'events', 'rows'. */
  items?: { unit: string; count: number };
  /** Each call is a sample of its own, so that p99 is that of single calls. Else short calls are timed in batches. */
  single?: boolean;
  contenders: Contender[];
  expected(): Expected | Promise<Expected>;
}

/** How a case is found and told apart: 'gemm/f32 100 × 384 × 128, 1 thread'. */
export function caseId({ suite, name, threads }: Pick<BenchCase, 'suite' | 'name' | 'threads'>): string {
  return `${suite}/${name}, ${threads} thread${threads === 1 ? '' : 's'}`;
}

/** What is wrong with an output, in words; undefined when nothing is. */
export function mismatch(output: ArrayLike<number>, { at, values }: Expected, tolerance: number): string | undefined {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]));
  for (let i = 0; i < values.length; i++) {
    const place = at === undefined ? i : at[i];
    const difference = Math.abs(output[place] - values[i]);
    if (!(difference <= tolerance * largest))
      return `element ${place} is ${output[place]}, expected ${values[i]} ± ${(tolerance * largest).toPrecision(3)}`;
  }
  return undefined;
}

/** Nanoseconds of a call. */
export function timed(call: () => void): number {
  const start = process.hrtime.bigint();
  call();
  return Number(process.hrtime.bigint() - start);
}
