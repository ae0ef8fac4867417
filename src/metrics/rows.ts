import { invalid } from '../core/errors.js';

/** One class a row. As an actual class −1 means «unknown»: such a row counts in no metric. */
export type Classes = ArrayLike<number>;

/** Checks that two columns are of one length and that the actual classes are −1 … classes − 1. */
export function checkClasses(predicted: Classes, actual: Classes, classes: number): void {
  if (predicted.length !== actual.length)
    throw invalid('predicted', `${actual.length} classes, one a row`, predicted, 'SHAPE');
  for (let i = 0; i < actual.length; i++) {
    if (!isClass(actual[i], classes) && actual[i] !== -1)
      throw invalid(`actual[${i}]`, `a class from −1 to ${classes - 1}`, actual[i]);
    if (!isClass(predicted[i], classes))
      throw invalid(`predicted[${i}]`, `a class from 0 to ${classes - 1}`, predicted[i]);
  }
}

/** Checks a row-major table of probabilities (rows × classes) against the actual classes. */
export function checkProbabilities(probabilities: ArrayLike<number>, actual: Classes, classes: number): void {
  if (probabilities.length !== actual.length * classes) {
    throw invalid('probabilities', `${actual.length} rows of ${classes} classes`, probabilities, 'SHAPE');
  }
  for (let i = 0; i < actual.length; i++) {
    if (!isClass(actual[i], classes) && actual[i] !== -1)
      throw invalid(`actual[${i}]`, `a class from −1 to ${classes - 1}`, actual[i]);
  }
  for (let j = 0; j < probabilities.length; j++) {
    const p = probabilities[j];
    if (!(p >= 0 && p <= 1 + 1e-6)) {
      throw invalid(
        `probabilities[${j}] (row ${Math.floor(j / classes)}, class ${j % classes})`,
        'a number from 0 to 1',
        p,
        'NUMERIC',
      );
    }
  }
}

function isClass(value: number, classes: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < classes;
}
