import type { Suite } from '../suite.js';
import { attentionCases } from './attention.js';
import { augmentationCases } from './augmentation.js';
import { gemmCases } from './gemm.js';
import { marketCases } from './market.js';
import { predictorCases } from './predictor.js';
import { rowCases } from './rows.js';
import { trainingCases } from './training-step.js';

/** In the order in which they are measured and shown. */
export const SUITES: Readonly<Record<string, Suite>> = {
  gemm: gemmCases,
  attention: attentionCases,
  rows: rowCases,
  training: trainingCases,
  augmentation: augmentationCases,
  predictor: predictorCases,
  market: marketCases,
};
