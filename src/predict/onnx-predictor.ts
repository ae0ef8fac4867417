import { FlashbookError } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import type { Artefact } from '../export/artefact-file.js';
import type { Manifest } from '../export/manifest.js';
import { aborted, raceAbort } from './abort.js';
import { OnnxSession, type OnnxSessionOptions } from './onnx-session.js';
import { finishPrediction, outputArrays, preparePrediction } from './prediction.js';
import type { PredictAsyncOptions, Prediction, PredictOptions, Predictor } from './predictor.js';
import { checkWindows } from './windows.js';

/** Runs an artefact's ONNX model with ONNX Runtime, which works in a thread of its own. */
export class OnnxPredictor implements Predictor {
  readonly backend = 'onnx';
  readonly manifest: Manifest;
  readonly reason: string;
  readonly threads: number;
  readonly #session: OnnxSession;

  private constructor(manifest: Manifest, session: OnnxSession, threads: number, reason: string) {
    this.manifest = manifest;
    this.#session = session;
    this.threads = threads;
    this.reason = reason;
  }

  /** @throws FlashbookError BACKEND when ONNX Runtime is not installed (with what to type) or refuses the model. */
  static async open(
    artefact: Artefact,
    options: OnnxSessionOptions & { reason?: string } = {},
  ): Promise<OnnxPredictor> {
    const { reason = 'asked for', threads = 1, module } = options;
    const session = await OnnxSession.open(artefact.onnx, module === undefined ? { threads } : { threads, module });
    return new OnnxPredictor(artefact.manifest, session, threads, reason);
  }

  async predict(features: Float32Array, options: PredictAsyncOptions = {}): Promise<Prediction> {
    checkOptions('predict', options, ['out', 'signal']);
    const { out, signal } = options;
    const { windows, shape, prediction } = this.#prepare(features, out);
    if (signal?.aborted) throw aborted(signal);
    let run = this.#session.run(features, shape);
    if (signal !== undefined) run = raceAbort(run, signal);
    const { output, runNs } = await run;
    return this.#finish(prediction, output, runNs, windows);
  }

  predictSync(features: Float32Array, options: PredictOptions = {}): Prediction {
    checkOptions('predictSync', options, ['out']);
    const { windows, shape, prediction } = this.#prepare(features, options.out);
    const { output, runNs } = this.#session.runSync(features, shape, elementsOf(prediction));
    return this.#finish(prediction, output, runNs, windows);
  }

  dispose(): Promise<void> {
    return this.#session.close();
  }

  [Symbol.dispose](): void {
    void this.dispose();
  }

  #prepare(features: Float32Array, out: Prediction | undefined) {
    const { input, output } = this.manifest;
    const windows = checkWindows(features, input);
    const shape = [windows, input.steps, input.features.length];
    return { windows, shape, prediction: preparePrediction(windows, output, out) };
  }

  #finish(prediction: Prediction, output: Float32Array, runNs: number, windows: number): Prediction {
    const expected = elementsOf(prediction);
    if (output.length !== expected) {
      throw new FlashbookError(
        'ARTEFACT',
        `the ONNX model returned ${output.length} values for ${windows} windows instead of ${expected}`,
      );
    }
    let start = 0;
    for (const array of outputArrays(prediction)) {
      array.set(output.subarray(start, start + array.length));
      start += array.length;
    }
    return finishPrediction(prediction, runNs);
  }
}

/** Values of all outputs. */
function elementsOf(prediction: Prediction): number {
  return outputArrays(prediction).reduce((sum, { length }) => sum + length, 0);
}
