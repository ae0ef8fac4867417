/** Watching a model: latency, and the report of a run. */
export { measureLatency } from './latency.js';
export type { Chart } from './report/charts.js';
export { type LineChartOptions, lineChart } from './report/line-chart.js';
export { renderReport } from './report/page.js';
export { renderPicture } from './report/svg.js';
export { runFacts, runTables, type Table } from './report/tables.js';
export * from './run-metrics.js';
