import { FlashbookError } from '../core/errors.js';
import type { Manifest } from '../export/manifest.js';
import type { Prediction } from './predictor.js';

/** An empty prediction of `windows` windows, or `out` when it has the right sizes. */
export function preparePrediction(windows: number, output: Manifest['output'], out?: Prediction): Prediction {
  const horizons = output.horizons.length;
  const classes = output.classes.length;
  const length = windows * horizons * classes;
  if (out === undefined) {
    return {
      windows,
      horizons,
      classes,
      logits: new Float32Array(length),
      probabilities: new Float32Array(length),
      best: new Int32Array(windows * horizons),
      runNs: 0,
    };
  }
  const fits =
    out.windows === windows &&
    out.logits instanceof Float32Array &&
    out.probabilities instanceof Float32Array &&
    out.best instanceof Int32Array &&
    out.logits.length === length &&
    out.probabilities.length === length &&
    out.best.length === windows * horizons;
  if (!fits) {
    throw new FlashbookError(
      'SHAPE',
      `expected a prediction of ${windows} windows × ${horizons} horizons × ${classes} classes for out but received one of ` +
        `${out.windows} windows with ${out.logits?.length} logits`,
      { windows },
    );
  }
  return out;
}

/** Fills probabilities and best classes from the logits: p = exp(z − max z) / Σ exp(z − max z). */
export function finishPrediction(prediction: Prediction, runNs: number): Prediction {
  const { logits, probabilities, best, classes } = prediction;
  for (let row = 0; row < best.length; row++) {
    const start = row * classes;
    let top = 0;
    for (let c = 1; c < classes; c++) if (logits[start + c] > logits[start + top]) top = c;
    const max = logits[start + top];
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += Math.exp(logits[start + c] - max);
    for (let c = 0; c < classes; c++) probabilities[start + c] = Math.exp(logits[start + c] - max) / sum;
    best[row] = top;
  }
  prediction.runNs = runNs;
  return prediction;
}
