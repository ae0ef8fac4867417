import type { BenchCase } from './case.js';

export interface SuiteOptions {
  threads: number;
  /** Smaller data where a suite has to make it first. */
  quick: boolean;
}

/** The cases of one subject; what they need is made when a case is opened, so that listing them costs nothing. */
export type Suite = (options: SuiteOptions) => BenchCase[] | Promise<BenchCase[]>;

/** The value of `make`, made when it is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
