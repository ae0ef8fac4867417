import { type Classes, checkClasses } from './rows.js';

/** Share of rows whose predicted class is the actual one. Rows with actual class −1 do not count; NaN where none does. */
export function accuracy(predicted: Classes, actual: Classes, classes = 3): number {
  checkClasses(predicted, actual, classes);
  let rows = 0;
  let right = 0;
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] < 0) continue;
    rows++;
    if (predicted[i] === actual[i]) right++;
  }
  return right / rows;
}
