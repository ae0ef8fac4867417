/** Watching a model: latency, and the report of a run. */
export { measureLatency } from './latency.js';
export { renderReport } from './report/page.js';
export { runFacts, runTables, type Table } from './report/tables.js';
export * from './run-metrics.js';
