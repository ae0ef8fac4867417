import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlashbookError } from '../core/errors.js';
import { checkOptions, integer } from '../core/options.js';
import { type LatencySummary, latencySummary } from '../metrics/index.js';
import type { Predictor } from '../predict/index.js';

/** Predictions of one predictor before the next one has its turn: long enough to be warm, short enough to share the same weather. */
const BLOCK = 100;
/** Untimed predictions at the start of each block. */
const WARM_UP = 20;
/** Pause before each turn: threads of the predictor before spin for a while before they sleep, and would take a core from this one. */
const REST_MS = 60;

/**
 * Times single predictions (batch 1, synchronous) of several predictors on the same windows, in turns, so that a noisy
 * spell of the machine meets all of them, with a pause before each turn. A native prediction is timed whole, from the call to the probabilities; ONNX Runtime by
 * the time inside its session, without messages to its worker, which favours it.
 *
 * @param windows (n, steps, features), used round robin
 * @param samples timed predictions for each predictor
 */
export async function measureLatency(
  predictors: readonly Predictor[],
  windows: Float32Array,
  options: { samples: number; onProgress?: (done: number, total: number) => void; signal?: AbortSignal },
): Promise<LatencySummary[]> {
  checkOptions('measureLatency', options, ['samples', 'onProgress', 'signal']);
  const { samples, onProgress, signal } = options;
  integer('samples', samples, 1);
  if (predictors.length === 0) return [];
  const { steps, features } = predictors[0].manifest.input;
  const size = steps * features.length;
  const count = Math.floor(windows.length / size);
  if (count === 0)
    throw new FlashbookError(
      'SHAPE',
      `expected at least one window of ${size} values for windows but received ${windows.length}`,
    );
  const times = predictors.map(() => new Float64Array(samples));
  for (let start = 0; start < samples; start += BLOCK) {
    const end = Math.min(start + BLOCK, samples);
    for (const [p, predictor] of predictors.entries()) {
      await sleep(REST_MS);
      if (signal?.aborted)
        throw new FlashbookError('ABORTED', 'measuring latency was aborted', {}, { cause: signal.reason });
      const out = predictor.predictSync(windows.subarray(0, size));
      for (let i = start - WARM_UP; i < end; i++) {
        const at = ((i + WARM_UP) % count) * size;
        const window = windows.subarray(at, at + size);
        const before = performance.now();
        const { runNs } = predictor.predictSync(window, { out });
        const wholeMs = performance.now() - before;
        if (i >= start) times[p][i] = predictor.backend === 'onnx' ? runNs / 1e6 : wholeMs;
      }
    }
    onProgress?.(end, samples);
  }
  return times.map((ms) => latencySummary(ms));
}
