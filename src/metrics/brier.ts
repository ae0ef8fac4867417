import { type Classes, checkProbabilities } from './rows.js';

/**
 * Mean of Σ_c (p_c − [c is actual])² (Brier 1950): 0 is perfect, 2 always sure and wrong, 1 − 1/classes for equal
 * probabilities. Rows of actual class −1 do not count; NaN where none does.
 */
export function brierScore(probabilities: ArrayLike<number>, actual: Classes, classes = 3): number {
  checkProbabilities(probabilities, actual, classes);
  let sum = 0;
  let rows = 0;
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] < 0) continue;
    for (let c = 0; c < classes; c++) sum += (probabilities[i * classes + c] - (c === actual[i] ? 1 : 0)) ** 2;
    rows++;
  }
  return sum / rows;
}
