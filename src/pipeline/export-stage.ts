import { basename } from 'node:path';
import { writeFileAtomic } from '../core/files.js';
import { type ArtefactOptions, writeArtefact } from '../export/index.js';
import { CLASSES } from '../monitor/run-metrics.js';
import { readArtefact } from '../predict/index.js';
import type { RunConfig } from './config.js';
import { labelDefinition, shortSource } from './describe.js';
import { type PreparedData, rawWindows } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, type RunFolder } from './run-folder.js';
import type { TrainedModel } from './train-stage.js';

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
    await writeArtefact(folder.file(artefact), { ...common, precision });
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
