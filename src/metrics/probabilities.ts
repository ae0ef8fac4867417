import { invalid } from '../core/errors.js';

/**
 * Softmax of each row, p_c = exp(z_c − max z)/Σ exp(z − max z), in float64.
 *
 * @param logits row-major, rows × classes
 * @throws FlashbookError `NUMERIC` naming row and class of a logit that is not finite
 */
export function softmaxRows(logits: ArrayLike<number>, classes: number): Float64Array {
  if (logits.length % classes !== 0) throw invalid('logits', `rows of ${classes} classes`, logits, 'SHAPE');
  const probabilities = new Float64Array(logits.length);
  for (let at = 0; at < logits.length; at += classes) {
    let largest = -Infinity;
    for (let c = 0; c < classes; c++) {
      const z = logits[at + c];
      if (!Number.isFinite(z))
        throw invalid(`logits of row ${at / classes}, class ${c}`, 'a finite number', z, 'NUMERIC');
      if (z > largest) largest = z;
    }
    let sum = 0;
    for (let c = 0; c < classes; c++) {
      probabilities[at + c] = Math.exp(logits[at + c] - largest);
      sum += probabilities[at + c];
    }
    for (let c = 0; c < classes; c++) probabilities[at + c] /= sum;
  }
  return probabilities;
}

/** The class with the largest value in each row; the first of equals. */
export function topClasses(scores: ArrayLike<number>, classes: number): Int32Array {
  const top = new Int32Array(scores.length / classes);
  for (let i = 0; i < top.length; i++) {
    for (let c = 1; c < classes; c++) if (scores[i * classes + c] > scores[i * classes + top[i]]) top[i] = c;
  }
  return top;
}
