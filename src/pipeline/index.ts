/** The whole path in one call. */
export { type EnsembleMemberConfig, type RunConfig, type RunConfigInput, runConfig } from './config.js';
export type { PipelineProgress, ProgressListener } from './progress.js';
export { type RunOptions, type RunResult, runPipeline } from './run.js';
