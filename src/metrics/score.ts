import { accuracy } from './accuracy.js';
import { brierScore } from './brier.js';
import { type CalibrationBin, expectedCalibrationError, reliabilityBins } from './calibration.js';
import { confusionMatrix } from './confusion-matrix.js';
import { type CoveragePoint, coverageCurve } from './coverage.js';
import { logLoss } from './log-loss.js';
import { macroF1OfMatrix } from './macro-f1.js';
import { softmaxRows, topClasses } from './probabilities.js';
import type { Classes } from './rows.js';

/** Everything that is said about one horizon's predictions. */
export interface ClassificationScore {
  accuracy: number;
  macroF1: number;
  logLoss: number;
  brier: number;
  /** Expected calibration error of the top class, 15 bins. */
  calibrationError: number;
  /** confusion[actual][predicted] in rows. */
  confusion: number[][];
  coverage: CoveragePoint[];
  calibration: CalibrationBin[];
}

/**
 * Scores logits (row-major, rows × classes) against the actual classes; rows of class −1 do not count.
 *
 * @param options.change the returns behind the classes, for directional accuracy
 */
export function scoreLogits(
  logits: ArrayLike<number>,
  actual: Classes,
  options: { classes?: number; change?: ArrayLike<number>; coverages?: readonly number[] } = {},
): ClassificationScore {
  const { classes = 3 } = options;
  const probabilities = softmaxRows(logits, classes);
  const predicted = topClasses(probabilities, classes);
  const confusion = confusionMatrix(predicted, actual, classes);
  const calibration = reliabilityBins(probabilities, actual, 15, classes);
  return {
    accuracy: accuracy(predicted, actual, classes),
    macroF1: macroF1OfMatrix(confusion),
    logLoss: logLoss(probabilities, actual, classes),
    brier: brierScore(probabilities, actual, classes),
    calibrationError: expectedCalibrationError(calibration),
    confusion,
    coverage: coverageCurve(probabilities, actual, options),
    calibration,
  };
}
