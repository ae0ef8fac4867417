/** Benchmarks and profiles: what the machine can do, and how much of it flashbook gets. */
export {
  type BenchCase,
  type Bound,
  type Contender,
  caseId,
  type Expected,
  mismatch,
  type Role,
  type Turn,
} from './case.js';
export { type Change, type Comparison, compareResults } from './compare.js';
export { measurePeaks, type Peaks } from './peaks.js';
export { byKernel, type Profile, type ProfiledStep, type ProfileOptions, profile } from './profile.js';
export { profileTables } from './profile-table.js';
export { type BenchResults, type BenchRow, type BenchTimes, type Headline, readBenchResults } from './results.js';
export { type BenchOptions, runBench } from './run.js';
export type { Suite, SuiteOptions } from './suite.js';
export { SUITES } from './suites/index.js';
export { benchTables, comparisonTable } from './tables.js';
