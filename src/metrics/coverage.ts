import { invalid } from '../core/errors.js';
import { checkOptions, finite } from '../core/options.js';
import { topClasses } from './probabilities.js';
import { type Classes, checkProbabilities } from './rows.js';

export interface CoveragePoint {
  /** Share of the rows that are predicted: the most confident ones. */
  coverage: number;
  /** Confidence (largest probability) of the least confident row among them. */
  threshold: number;
  /** Accuracy over all classes on them. */
  accuracy: number;
  /** Share in which sign(P(up) − P(down)) is the sign of the return, among the rows most confident of a direction; NaN without returns. */
  directional: number;
}

/** The shares at which a report states accuracy and directional accuracy. */
export const COVERAGES: readonly number[] = [1, 0.5, 0.25, 0.1];

/**
 * Accuracy as a model predicts fewer, surer rows (selective classification; El-Yaniv & Wiener 2010).
 *
 * At coverage q the ⌊q·rows⌋ (at least 1) most confident rows count. For `accuracy` the confidence of a row is its
 * largest probability; for `directional` it is |P(up) − P(down)|, the last class being up and the first down, and rows
 * with return 0 have no direction and do not count. Equal confidences keep the order of rows. Rows of actual class −1 are left out.
 *
 * @param probabilities row-major, rows × classes
 * @param options.change the returns behind the actual classes, one a row
 */
export function coverageCurve(
  probabilities: ArrayLike<number>,
  actual: Classes,
  options: { classes?: number; coverages?: readonly number[]; change?: ArrayLike<number> } = {},
): CoveragePoint[] {
  checkOptions('coverageCurve', options, ['classes', 'coverages', 'change']);
  const { classes = 3, coverages = COVERAGES, change } = options;
  checkProbabilities(probabilities, actual, classes);
  if (change !== undefined && change.length !== actual.length) {
    throw invalid('change', `${actual.length} returns, one a row`, change, 'SHAPE');
  }
  const known = Int32Array.from({ length: actual.length }, (_, i) => i).filter((i) => actual[i] >= 0);
  const top = topClasses(probabilities, classes);
  const confidence = (i: number) => probabilities[i * classes + top[i]];
  const direction = (i: number) => probabilities[i * classes + classes - 1] - probabilities[i * classes];
  const surest = ranked(known, confidence);
  const surestDirection = ranked(known, (i) => Math.abs(direction(i)));
  return coverages.map((coverage) => {
    finite('coverage', coverage, Number.MIN_VALUE, 1);
    const rows = Math.min(known.length, Math.max(1, Math.floor(coverage * known.length + 1e-9)));
    let right = 0;
    for (const i of surest.subarray(0, rows)) if (top[i] === actual[i]) right++;
    let moved = 0;
    let agreed = 0;
    for (const i of change === undefined ? [] : surestDirection.subarray(0, rows)) {
      const sign = Math.sign(change![i]);
      if (sign === 0 || Number.isNaN(sign)) continue;
      moved++;
      if (Math.sign(direction(i)) === sign) agreed++;
    }
    return {
      coverage,
      threshold: rows === 0 ? Number.NaN : confidence(surest[rows - 1]),
      accuracy: right / rows,
      directional: agreed / moved,
    };
  });
}

function ranked(rows: Int32Array, confidence: (row: number) => number): Int32Array {
  return rows.slice().sort((a, b) => confidence(b) - confidence(a) || a - b);
}
