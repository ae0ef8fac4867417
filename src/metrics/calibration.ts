import { integer } from '../core/options.js';
import { topClasses } from './probabilities.js';
import { type Classes, checkProbabilities } from './rows.js';

export interface CalibrationBin {
  /** Mean confidence (largest probability) of the rows in the bin. */
  confidence: number;
  /** Their accuracy. */
  accuracy: number;
  /** How many rows. */
  count: number;
}

/**
 * Accuracy against confidence: rows are put into bins of equal width by their largest probability, bin b holding
 * (b/bins, (b+1)/bins] (Guo, Pleiss, Sun & Weinberger 2017). Empty bins are left out. Rows of actual class −1 do not count.
 */
export function reliabilityBins(
  probabilities: ArrayLike<number>,
  actual: Classes,
  bins = 15,
  classes = 3,
): CalibrationBin[] {
  checkProbabilities(probabilities, actual, classes);
  integer('bins', bins, 1, 10_000);
  const top = topClasses(probabilities, classes);
  const table = Array.from({ length: bins }, () => ({ confidence: 0, accuracy: 0, count: 0 }));
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] < 0) continue;
    const confidence = probabilities[i * classes + top[i]];
    const bin = table[Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1))];
    bin.confidence += confidence;
    bin.accuracy += top[i] === actual[i] ? 1 : 0;
    bin.count++;
  }
  return table
    .filter(({ count }) => count > 0)
    .map(({ confidence, accuracy, count }) => ({ confidence: confidence / count, accuracy: accuracy / count, count }));
}

/** Expected calibration error: Σ over bins of (count/rows)·|accuracy − confidence|; NaN where no row counts. */
export function expectedCalibrationError(bins: readonly CalibrationBin[]): number {
  const rows = bins.reduce((total, { count }) => total + count, 0);
  return bins.reduce((sum, { confidence, accuracy, count }) => sum + count * Math.abs(accuracy - confidence), 0) / rows;
}
