export { CATALOGUE, type FeatureKind, type FeatureName } from './catalogue.js';
export { type ComputeOptions, computeFeatures, type FeatureTable } from './compute.js';
export { defaultFeatures, extendedFeatures } from './defaults.js';
export {
  type FeatureDefinition,
  type FeatureParams,
  type FeatureSet,
  featureMemory,
  featureNames,
  LONGEST_WINDOW,
} from './definition.js';
export { featureMirror, type Mirror, mirrorRows } from './mirror.js';
export { type FeatureBookRow, type FeatureEvent, FeatureStream } from './stream.js';
export { type FeatureFormat, writeFeatureTable } from './table.js';
