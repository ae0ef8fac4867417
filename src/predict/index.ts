/** Predictors: a trained artefact, run by the native core or by ONNX Runtime. */
export { Artefact } from '../export/artefact-file.js';
export type { Manifest, ModelCard } from '../export/manifest.js';
export { type LoadOptions, loadPredictor, readArtefact } from './load.js';
export { NativePredictor } from './native-predictor.js';
export { OnnxPredictor } from './onnx-predictor.js';
export type { PredictAsyncOptions, Prediction, PredictOptions, Predictor, ReturnPrediction } from './predictor.js';
