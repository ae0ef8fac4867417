import { performance } from 'node:perf_hooks';
import type { WindowDataset } from '../data/index.js';
import type { Predictor, ReturnPrediction } from '../predict/index.js';

/** Windows in one call: large enough to keep the cores busy, small enough for a progress bar. */
const CHUNK = 256;

/**
 * Predicts every window of a data set, off the event loop.
 *
 * @returns logits (windows, horizons, classes), returns where the artefact keeps them, and the seconds that the predictor took, gathering the windows not counted.
 */
export async function predictRows(
  predictor: Predictor,
  windows: WindowDataset,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void } = {},
): Promise<{ logits: Float32Array; returns?: ReturnPrediction; seconds: number }> {
  const { horizons, classes, returns: kept } = predictor.manifest.output;
  const stride = horizons.length * classes.length;
  const logits = new Float32Array(windows.length * stride);
  const zeros = (each: number) => new Float32Array(windows.length * horizons.length * each);
  const returns: ReturnPrediction | undefined = kept && {
    location: zeros(1),
    ...(kept.quantiles && { quantiles: zeros(kept.quantiles.length) }),
  };
  const size = windows.steps * windows.columns;
  const chunk = new Float32Array(CHUNK * size);
  let seconds = 0;
  for (let start = 0; start < windows.length; start += CHUNK) {
    const count = Math.min(CHUNK, windows.length - start);
    const part = chunk.subarray(0, count * size);
    windows.batch(
      Int32Array.from({ length: count }, (_, i) => start + i),
      part,
    );
    const before = performance.now();
    const prediction = await predictor.predict(part, { signal });
    seconds += (performance.now() - before) / 1000;
    logits.set(prediction.logits, start * stride);
    if (returns !== undefined) {
      const { location, quantiles } = prediction.returns!;
      returns.location.set(location, start * horizons.length);
      returns.quantiles?.set(quantiles!, start * horizons.length * kept!.quantiles!.length);
    }
    onProgress?.(start + count);
  }
  return { logits, ...(returns && { returns }), seconds };
}
