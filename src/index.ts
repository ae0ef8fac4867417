/**
 * flashbook: trading models in Node.js, from market events to a monitored prediction in one process.
 *
 * Everything of the subpaths (`flashbook/market`, `flashbook/train` …) is here too, in the order in which data takes its way.
 *
 * @packageDocumentation
 */

export * from './bench/index.js';
export * from './book/index.js';
export * from './compress/index.js';
export * from './core/index.js';
export * from './data/index.js';
export * from './export/index.js';
export * from './features/index.js';
export * from './graph/index.js';
export * from './market/index.js';
export * from './metrics/index.js';
export * from './models/index.js';
export * from './monitor/index.js';
export * from './native/index.js';
export * from './nn/index.js';
export * from './optim/index.js';
export * from './pipeline/index.js';
export * from './predict/index.js';
export * from './train/index.js';
