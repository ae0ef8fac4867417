/** Smaller models of the same meaning. */
export { type ActivationScales, type CalibrateOptions, type CalibrationMethod, calibrate } from './calibrate.js';
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
