import { type Classes, checkClasses } from './rows.js';

/** How often each actual class was predicted as which: matrix[actual][predicted], in rows. Actual class −1 does not count. */
export function confusionMatrix(predicted: Classes, actual: Classes, classes = 3): number[][] {
  checkClasses(predicted, actual, classes);
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < actual.length; i++) if (actual[i] >= 0) matrix[actual[i]][predicted[i]]++;
  return matrix;
}
