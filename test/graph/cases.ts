/**
 * The case table: every operation over ragged shapes and special values. The same rows are run by the gradient check, by the
 * comparison of the native engine with the interpreter on every instruction set, and by the ONNX comparison.
 */
import type { OperationCase } from './case.js';
import { CONVOLUTION_CASES } from './cases-convolution.js';
import { ELEMENTWISE_CASES } from './cases-elementwise.js';
import { EXPERT_CASES } from './cases-experts.js';
import { MATRIX_CASES } from './cases-matrix.js';
import { REGRESSION_CASES } from './cases-regression.js';
import { ROW_CASES } from './cases-rows.js';
import { SEQUENCE_CASES } from './cases-sequence.js';

export { type CaseInput, caseGraph, type OperationCase, size } from './case.js';

/** They work in place in states: kernels/optim.test.ts, operations.test.ts and models/native.test.ts have them. */
export const TESTED_ELSEWHERE: ReadonlySet<string> = new Set([
  'clamp_list',
  'centre_list',
  'unscale_list',
  'update_adam',
  'update_sgd',
  'update_lamb',
  'blend_list',
  'ascend_list',
]);

export const CASES: readonly OperationCase[] = [
  ...MATRIX_CASES,
  ...ELEMENTWISE_CASES,
  ...ROW_CASES,
  ...REGRESSION_CASES,
  ...SEQUENCE_CASES,
  ...CONVOLUTION_CASES,
  ...EXPERT_CASES,
];
