/** Predictors: an artefact loaded, checked and run, natively or by ONNX Runtime. */
export { type LoadOptions, loadPredictor, readArtefact } from './load.js';
export type { PredictAsyncOptions, Prediction, PredictOptions, Predictor } from './predictor.js';
