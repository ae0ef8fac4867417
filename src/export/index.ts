/** Artefacts (.fbk), ONNX and safetensors: a trained model on disk. */
export {
  type ArtefactOptions,
  buildArtefact,
  type ExportableModel,
  type InferenceGraph,
  inferenceGraph,
  writeArtefact,
} from './artefact.js';
export { Artefact } from './artefact-file.js';
export { type Manifest, type ModelCard, outputNames } from './manifest.js';
export { type ExportOnnxOptions, exportOnnx } from './onnx/export-graph.js';
export { type PyTorchOptions, pytorchWeights } from './pytorch.js';
export {
  readSafetensors,
  type Safetensors,
  type SafetensorsDType,
  type StoredTensor,
  writeSafetensors,
} from './safetensors.js';
