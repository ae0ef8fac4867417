import type { Manifest } from '../export/manifest.js';

/** What a predictor says about `windows` windows. Row-major; horizons and classes in the manifest's order. */
export interface Prediction {
  windows: number;
  horizons: number;
  classes: number;
  /** (windows, horizons, classes). */
  logits: Float32Array;
  /** (windows, horizons, classes): the softmax of the logits over the classes. */
  probabilities: Float32Array;
  /** (windows, horizons): the most probable class; the first of equals. */
  best: Int32Array;
  /** Of an artefact that keeps them, what the model tells of returns, in units of the return: 1e-4 is a basis point. */
  returns?: ReturnPrediction;
  /** Time spent in the runtime itself: in the plans, or in ONNX Runtime without the messages to its worker. */
  runNs: number;
}

/** Returns of `windows` windows, row-major. */
export interface ReturnPrediction {
  /** (windows, horizons): what return is expected, between mean and median (Huber 1964). */
  location: Float32Array;
  /** (windows, horizons, quantiles): those of the manifest, where the model was trained for them. They are told one by one and may cross. */
  quantiles?: Float32Array;
}

export interface PredictOptions {
  /** A prediction of the same number of windows to write into, instead of a new one. */
  out?: Prediction;
}

export interface PredictAsyncOptions extends PredictOptions {
  signal?: AbortSignal;
}

/**
 * Runs a trained model. `features` are raw windows (n, steps, features) of any n ≥ 1, oldest row first; scaling is part of
 * the model. A window's prediction does not depend on the windows beside it: with the native core not by one bit.
 *
 * @throws FlashbookError SHAPE (not a Float32Array, wrong length, detached, shared or resizable memory), NUMERIC (NaN or
 * infinity, naming window, step and feature), DISPOSED, ABORTED, BACKEND or NATIVE.
 */
export interface Predictor {
  readonly manifest: Manifest;
  readonly backend: 'native' | 'onnx';
  /** Why this backend was taken. */
  readonly reason: string;
  readonly threads: number;
  /** Off the event loop; `features` is copied before this returns. */
  predict(features: Float32Array, options?: PredictAsyncOptions): Promise<Prediction>;
  /** On the calling thread, for the hot path. */
  predictSync(features: Float32Array, options?: PredictOptions): Prediction;
  /** Frees threads and memory; resolves when it is done. Idempotent. */
  dispose(): Promise<void>;
  [Symbol.dispose](): void;
}
