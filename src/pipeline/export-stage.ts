import { basename } from 'node:path';
import type { QuantiseOptions } from '../compress/index.js';
import { writeFileAtomic } from '../core/files.js';
import { returnScale, sampleRows } from '../data/index.js';
import { type ArtefactOptions, writeArtefact } from '../export/index.js';
import { CLASSES } from '../monitor/run-metrics.js';
import { readArtefact } from '../predict/index.js';
import type { RunConfig } from './config.js';
import { labelDefinition, shortSource } from './describe.js';
import { type PreparedData, rawWindows } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, type RunFolder } from './run-folder.js';
import type { TrainedModel } from './train-stage.js';

/** Training windows, spread evenly, from which static scales are found. */
const CALIBRATION_WINDOWS = 256;

/** Writes the float32 and the INT8 artefact, and the ONNX model of each beside it. */
export async function exportStage(
  { model, parameters, title, validation, training, ensemble }: TrainedModel,
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  onProgress?: ProgressListener,
): Promise<void> {
  const golden = new Float32Array(config.window * data.table.columns);
  rawWindows(data, Int32Array.of(data.split.train.start), config.window).batch([0], golden);
  const common: ArtefactOptions = {
    model,
    parameters,
    scaler: data.scaler,
    featureSet: data.featureSet,
    featureNames: data.table.names,
    label: { ...labelDefinition(config), thresholds: data.labels.map(({ threshold }) => threshold), unit: 'events' },
    horizons: config.horizons,
    classes: CLASSES,
    golden,
    ...(config.regression !== 'none' && {
      returnScales: data.labels.map((label) => returnScale(label, data.split.train)),
    }),
    card: {
      name: `${title}, ${data.session.instrument.symbol}`,
      description: `Direction of the mid price over the next ${config.horizons.join(', ')} events from a window of ${config.window} order-book rows.`,
      createdAt: folder.createdAt,
      dataSource: shortSource(data.session.source),
      seed: config.seed,
      metrics: {
        validationLoss: validation.loss,
        validationAccuracy: validation.accuracy,
        ...(training.bestStep !== undefined && { bestStep: training.bestStep }),
        ...(ensemble !== undefined && {
          members: ensemble.members.map(({ name, weights, validation: { loss } }) => ({ name, weights, loss })),
        }),
      },
      training: { ...config, data: config.data === undefined ? null : basename(config.data) },
    },
  };
  const precisions = [
    { precision: 'f32', artefact: RUN_FILES.model, onnx: RUN_FILES.onnx },
    { precision: 'int8', artefact: RUN_FILES.modelInt8, onnx: RUN_FILES.onnxInt8 },
  ] as const;
  let done = 0;
  for (const { precision, artefact, onnx } of precisions) {
    onProgress?.({ stage: 'export', done, total: precisions.length, unit: 'artefacts' });
    const quantise = precision === 'int8' && config.int8 === 'static' ? staticActivations(data, config) : undefined;
    await writeArtefact(folder.file(artefact), { ...common, precision, ...(quantise && { quantise }) });
    await writeFileAtomic(folder.file(onnx), (await readArtefact(folder.file(artefact))).onnx);
    done++;
  }
  onProgress?.({
    stage: 'export',
    done,
    total: precisions.length,
    unit: 'artefacts',
    finished: true,
    detail: 'float32 and INT8, .fbk and ONNX',
  });
}

function staticActivations(data: PreparedData, config: RunConfig): QuantiseOptions {
  const { start, end } = data.split.train;
  const stride = Math.max(1, Math.floor((end - start) / CALIBRATION_WINDOWS));
  const windows = rawWindows(data, sampleRows(data.split.train, stride), config.window);
  const calibration = new Float32Array(windows.length * config.window * data.table.columns);
  windows.batch(
    Array.from({ length: windows.length }, (_, i) => i),
    calibration,
  );
  return { activations: 'static', calibration };
}
