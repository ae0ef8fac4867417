import { FlashbookError } from '../core/errors.js';
import { type Manifest, outputColumns } from '../export/manifest.js';
import type { Prediction } from './predictor.js';

/** An empty prediction of `windows` windows, or `out` when it has the right sizes. */
export function preparePrediction(windows: number, output: Manifest['output'], out?: Prediction): Prediction {
  const horizons = output.horizons.length;
  const classes = output.classes.length;
  const length = windows * horizons * classes;
  const columns = outputColumns(output);
  if (out === undefined) {
    const [, location, quantiles] = columns.map(({ units }) => units.length * windows);
    return {
      windows,
      horizons,
      classes,
      logits: new Float32Array(length),
      probabilities: new Float32Array(length),
      best: new Int32Array(windows * horizons),
      ...(location !== undefined && {
        returns: {
          location: new Float32Array(location),
          ...(quantiles !== undefined && { quantiles: new Float32Array(quantiles) }),
        },
      }),
      runNs: 0,
    };
  }
  const arrays = outputArrays(out);
  const fits =
    out.windows === windows &&
    out.probabilities instanceof Float32Array &&
    out.best instanceof Int32Array &&
    out.probabilities.length === length &&
    out.best.length === windows * horizons &&
    arrays.length === columns.length &&
    columns.every(({ units }, o) => arrays[o] instanceof Float32Array && arrays[o].length === units.length * windows);
  if (!fits) {
    throw new FlashbookError(
      'SHAPE',
      `expected a prediction of ${windows} windows × ${horizons} horizons × ${classes} classes${output.returns ? ' with returns' : ''} for out but received one of ` +
        `${out.windows} windows with ${out.logits?.length} logits${out.returns ? ' and returns' : ''}`,
      { windows },
    );
  }
  return out;
}

/** What a model writes into a prediction, in the order of `outputColumns`. */
export function outputArrays({ logits, returns }: Prediction): Float32Array[] {
  if (returns === undefined) return [logits];
  const { location, quantiles } = returns;
  return quantiles === undefined ? [logits, location] : [logits, location, quantiles];
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
