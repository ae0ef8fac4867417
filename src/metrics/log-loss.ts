import { type Classes, checkProbabilities } from './rows.js';

/** A probability below this counts as this, so that one sure mistake costs 34.5 and not infinity. */
const SMALLEST = 1e-15;

/**
 * Mean of −log P(actual class), in nats: the cross-entropy. log(classes) for a model that knows nothing. Rows of actual
 * class −1 do not count; NaN where none does.
 */
export function logLoss(probabilities: ArrayLike<number>, actual: Classes, classes = 3): number {
  checkProbabilities(probabilities, actual, classes);
  let sum = 0;
  let rows = 0;
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] < 0) continue;
    sum -= Math.log(Math.max(SMALLEST, probabilities[i * classes + actual[i]]));
    rows++;
  }
  return sum / rows;
}
