export {
  type Augmentation,
  type JitterOptions,
  jitter,
  type SliceOptions,
  sliceWindow,
  type WarpOptions,
  type WindowShape,
  warpMagnitude,
  warpTime,
} from './augmentation.js';
export {
  classify,
  countClasses,
  DIRECTIONS,
  fitThreshold,
  type LabelBase,
  type Labels,
  lastMoveGuess,
  makeLabels,
  pastReturn,
  type RowRange,
  returnScale,
  smoothedMid,
  standardReturns,
} from './labels.js';
export { midPrices } from './mid.js';
export { MirroredWindows } from './mirrored-windows.js';
export { beta, cutmix, type Mix, mixup } from './mixing.js';
export { DEFAULT_CLIP, StandardScaler } from './scaler.js';
export { type Split, type SplitOptions, sampleRows, walkForwardSplit } from './split.js';
export { WindowDataset, type WindowDatasetOptions } from './windows.js';
