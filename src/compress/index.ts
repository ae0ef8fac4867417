/** Smaller models of the same meaning. */
export { foldState } from './fold.js';
export {
  dequantiseRows,
  type QuantisedGraph,
  type QuantisedLayer,
  type QuantisedMatrix,
  type QuantiseOptions,
  quantiseLinear,
  quantiseRows,
} from './quantise.js';
export { splitQueries } from './split-queries.js';
