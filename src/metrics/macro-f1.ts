import { confusionMatrix } from './confusion-matrix.js';
import type { Classes } from './rows.js';

/**
 * The mean over classes of F1 = 2·TP/(2·TP + FP + FN), the harmonic mean of precision and recall; every class weighs the
 * same however rare it is. A class that is neither actual nor predicted in any row is left out (as scikit-learn's
 * f1_score(average='macro') does); NaN where no row counts.
 */
export function macroF1(predicted: Classes, actual: Classes, classes = 3): number {
  return macroF1OfMatrix(confusionMatrix(predicted, actual, classes));
}

/** The same from matrix[actual][predicted]. */
export function macroF1OfMatrix(matrix: readonly (readonly number[])[]): number {
  let sum = 0;
  let present = 0;
  for (let c = 0; c < matrix.length; c++) {
    const actual = matrix[c].reduce((total, n) => total + n, 0);
    const predicted = matrix.reduce((total, row) => total + row[c], 0);
    if (actual + predicted === 0) continue;
    sum += (2 * matrix[c][c]) / (actual + predicted);
    present++;
  }
  return sum / present;
}
