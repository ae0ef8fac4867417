import { stat } from 'node:fs/promises';
import { FlashbookError } from '../core/errors.js';
import { sampleRows } from '../data/index.js';
import { measureLatency } from '../monitor/latency.js';
import { type Agreement, CLASSES, type PredictorMetrics } from '../monitor/run-metrics.js';
import { runtimeInfo } from '../native/index.js';
import { loadPredictor, type Predictor } from '../predict/index.js';
import type { RunConfig } from './config.js';
import { predictRows } from './predict-rows.js';
import { type PreparedData, rawWindows } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, type RunFolder } from './run-folder.js';
import { agreement, scoreHorizons } from './score.js';

/** The predictors that are compared; the first is the reference. */
const PREDICTORS = [
  { name: 'native float32', backend: 'native', precision: 'f32', artefact: RUN_FILES.model, onnx: RUN_FILES.onnx },
  {
    name: 'native INT8',
    backend: 'native',
    precision: 'int8',
    artefact: RUN_FILES.modelInt8,
    onnx: RUN_FILES.onnxInt8,
  },
  { name: 'ONNX Runtime float32', backend: 'onnx', precision: 'f32', artefact: RUN_FILES.model, onnx: RUN_FILES.onnx },
  {
    name: 'ONNX Runtime INT8',
    backend: 'onnx',
    precision: 'int8',
    artefact: RUN_FILES.modelInt8,
    onnx: RUN_FILES.onnxInt8,
  },
] as const;

/** Pairs whose logits are compared, by place in PREDICTORS. */
const PAIRS = [
  [0, 2],
  [0, 1],
  [1, 3],
] as const;

/** Predicts the test part with every predictor there is, scores them, times them, and compares their logits. */
export async function predictStage(
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  {
    signal,
    onProgress,
    onNote,
  }: { signal?: AbortSignal; onProgress?: ProgressListener; onNote: (text: string) => void },
): Promise<{ predictors: PredictorMetrics[]; agreements: Agreement[] }> {
  const open: { name: string; predictor: Predictor; entry: (typeof PREDICTORS)[number]; bytes: number }[] = [];
  try {
    for (const entry of PREDICTORS) {
      const path = folder.file(entry.artefact);
      try {
        const predictor = await loadPredictor(path, { backend: entry.backend, threads: runtimeInfo().threads });
        const bytes = (await stat(entry.backend === 'onnx' ? folder.file(entry.onnx) : path)).size;
        open.push({ name: entry.name, predictor, entry, bytes });
      } catch (error) {
        // The comparison is optional; a missing ONNX Runtime must not lose a trained model.
        if (!(error instanceof FlashbookError) || error.code !== 'BACKEND') throw error;
        onNote(`${entry.name} is left out: ${error.message}`);
      }
    }
    const rows = sampleRows(data.split.test);
    const windows = rawWindows(data, rows, config.window);
    const predicted: { logits: Float32Array; seconds: number }[] = [];
    for (const { name, predictor } of open) {
      predicted.push(
        await predictRows(predictor, windows, {
          signal,
          onProgress: (done) =>
            onProgress?.({
              stage: 'predict',
              done: done + predicted.length * rows.length,
              total: rows.length * open.length,
              unit: 'rows',
              detail: name,
            }),
        }),
      );
    }
    const total = rows.length * open.length;
    onProgress?.({
      stage: 'predict',
      done: total,
      total,
      unit: 'rows',
      finished: true,
      detail: `${rows.length} test rows, ${open.length} predictors`,
    });

    const sample = new Float32Array(Math.min(256, rows.length) * config.window * data.table.columns);
    windows.batch(
      Int32Array.from({ length: Math.min(256, rows.length) }, (_, i) => i),
      sample,
    );
    const latencies = await measureLatency(
      open.map(({ predictor }) => predictor),
      sample,
      {
        samples: config.latencySamples,
        signal,
        onProgress: (done, all) =>
          onProgress?.({ stage: 'latency', done, total: all, unit: 'samples', finished: done === all }),
      },
    );
    const predictors = open.map(
      ({ name, entry, bytes }, p): PredictorMetrics => ({
        name,
        backend: entry.backend,
        precision: entry.precision,
        file: entry.artefact,
        bytes,
        latency: latencies[p],
        rows: rows.length,
        rowsPerSecond: rows.length / predicted[p].seconds,
        scores: scoreHorizons(predicted[p].logits, rows, data.labels, CLASSES.length),
      }),
    );
    const named = (i: number) => {
      const p = open.findIndex(({ entry }) => entry === PREDICTORS[i]);
      return p < 0 ? undefined : { name: open[p].name, logits: predicted[p].logits };
    };
    const agreements = PAIRS.flatMap(([i, j]) => {
      const [a, b] = [named(i), named(j)];
      return a === undefined || b === undefined ? [] : [agreement(a, b, CLASSES.length, rows.length)];
    });
    return { predictors, agreements };
  } finally {
    for (const { predictor } of open) await predictor.dispose();
  }
}
