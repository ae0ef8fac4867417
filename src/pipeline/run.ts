import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { FlashbookError } from '../core/errors.js';
import { writeFileAtomic } from '../core/files.js';
import { packageVersion } from '../core/version.js';
import { sampleRows } from '../data/index.js';
import { type ArtefactOptions, writeArtefact } from '../export/index.js';
import { PricePredictor } from '../models/index.js';
import { measureLatency } from '../monitor/latency.js';
import { renderReport } from '../monitor/report/page.js';
import { CLASSES, type PredictorMetrics, type RunMetrics, type TrainingPoint } from '../monitor/run-metrics.js';
import { runtimeInfo, setThreads } from '../native/index.js';
import { loadPredictor, type Predictor, readArtefact } from '../predict/index.js';
import { type History, type TrainResult, train } from '../train/index.js';
import type { RunConfig } from './config.js';
import { predictRows } from './predict-rows.js';
import { type PreparedData, prepareData, rawWindows, readStage, scaledWindows } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, RunFolder } from './run-folder.js';
import { agreement, horizonMetrics, scoreHorizons } from './score.js';

export interface RunOptions {
  /** Where the run's files go. */
  folder: string;
  /** Go on from the last checkpoint in the folder, to the same result. */
  resume?: boolean;
  /** Threads of the native core; no result depends on it. */
  threads?: number;
  signal?: AbortSignal;
  onProgress?: ProgressListener;
  /** A remark that a person should see. */
  onNote?: (text: string) => void;
  /** The clock of the model card. */
  now?: () => Date;
}

export interface RunResult {
  metrics: RunMetrics;
  /** What was written: name for people → path. */
  files: Record<string, string>;
}

/**
 * The main job: reads (or generates) a session, rebuilds the book, computes features, labels and splits, trains the price
 * predictor, quantises it, exports both artefacts and ONNX, predicts the test part with every predictor there is, and writes
 * `metrics.json` and `report.html`.
 *
 * @throws FlashbookError from every stage; `ABORTED` after the signal, when the checkpoint has been written.
 */
export async function runPipeline(config: RunConfig, options: RunOptions): Promise<RunResult> {
  const { signal, onProgress, onNote = () => {}, resume = false, now = () => new Date() } = options;
  if (options.threads !== undefined) setThreads(options.threads);
  const stages = new StageClock();
  const folder = await RunFolder.open(
    options.folder,
    { ...config, ...(config.data && { data: resolve(config.data) }) },
    { resume, now },
  );

  const session = await stages.time('read', () => readStage(config, { signal, onProgress }));
  const data = await stages.time('book and features', async () => prepareData(session, config, onProgress));
  const model = new PricePredictor({
    features: data.table.columns,
    steps: config.window,
    dModel: config.width,
    heads: config.heads,
    layers: config.layers,
    feedForward: config.feedForward,
    horizons: config.horizons.length,
    classes: CLASSES.length,
    dropout: config.dropout,
  });
  const trained = await stages.time('train', () => trainStage(model, data, config, folder, options));
  await stages.time('export', () => exportStage(model, trained, data, config, folder, onProgress));
  const { predictors, agreements } = await stages.time('predict', () =>
    predictStage(data, config, folder, { signal, onProgress, onNote }),
  );

  const { instrument, source, events } = data.session;
  const metrics: RunMetrics = {
    version: 1,
    flashbook: packageVersion(),
    createdAt: folder.createdAt,
    seed: config.seed,
    source: {
      description: shortSource(source),
      symbol: instrument.symbol,
      venue: instrument.venue,
      format: config.data === undefined ? 'synthetic' : config.format,
    },
    machine: machine(),
    data: {
      events: events.length,
      levels: data.book.snapshots.levels,
      mismatches: data.book.checked ? data.book.mismatches : undefined,
      levelsTaken: data.book.checked ? data.book.levelsTaken : undefined,
      features: data.table.columns,
      window: config.window,
    },
    label: labelDefinition(config),
    split: {
      train: [data.split.train.start, data.split.train.end],
      validation: [data.split.validation.start, data.split.validation.end],
      test: [data.split.test.start, data.split.test.end],
      purge: data.purge,
      embargo: data.embargo,
    },
    model: {
      name: 'price predictor',
      parameters: model.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
      description: `${config.layers} layers, width ${config.width}, ${config.heads} heads, feed-forward ${config.feedForward}`,
    },
    training: {
      steps: trained.steps,
      batch: config.batch,
      seconds: trained.seconds,
      examples: trained.steps * config.batch,
      bestStep: trained.bestStep,
      stoppedEarly: trained.reason === 'patience',
      history: trainingCurve(trained.history),
    },
    horizons: data.labels.map((label) => horizonMetrics(data, label)),
    predictors,
    agreement: agreements,
    stages: stages.stages,
  };
  onProgress?.({ stage: 'report', done: 0, total: 1, unit: 'pages' });
  await writeFileAtomic(folder.file(RUN_FILES.metrics), `${JSON.stringify(metrics, null, 2)}\n`);
  await writeFileAtomic(folder.file(RUN_FILES.report), await renderReport(metrics));
  onProgress?.({
    stage: 'report',
    done: 1,
    total: 1,
    unit: 'pages',
    finished: true,
    detail: folder.file(RUN_FILES.report),
  });
  return {
    metrics,
    files: {
      report: folder.file(RUN_FILES.report),
      metrics: folder.file(RUN_FILES.metrics),
      'float32 artefact': folder.file(RUN_FILES.model),
      'INT8 artefact': folder.file(RUN_FILES.modelInt8),
      'float32 ONNX': folder.file(RUN_FILES.onnx),
      'INT8 ONNX': folder.file(RUN_FILES.onnxInt8),
    },
  };
}

async function trainStage(
  model: PricePredictor,
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  options: RunOptions,
): Promise<TrainResult> {
  const { onProgress, signal, resume } = options;
  const scaled = data.scaler.transform(data.table.values);
  let resumedFrom: number | undefined;
  const result = await train(model, {
    train: scaledWindows(data, scaled, 'train', config.window),
    validation: scaledWindows(data, scaled, 'validation', config.window),
    seed: config.seed,
    batch: config.batch,
    steps: config.steps,
    learningRate: config.learningRate,
    minLearningRate: config.minLearningRate,
    warmupSteps: config.warmupSteps,
    weightDecay: config.weightDecay,
    clipNorm: config.clipNorm,
    labelSmoothing: config.labelSmoothing,
    evaluateEvery: config.evaluateEvery,
    maxValidationWindows: config.validationWindows,
    patience: config.patience,
    checkpoint: folder.file(RUN_FILES.checkpoint),
    log: folder.file(RUN_FILES.log),
    resume,
    signal,
    onProgress: ({ phase, step, total, loss, validationLoss }) => {
      resumedFrom ??= step <= 1 ? 0 : step - 1;
      const validation = Number.isNaN(validationLoss) ? '' : `, validation ${validationLoss.toFixed(4)}`;
      const detail = `loss ${loss.toFixed(4)}${validation}${phase === 'evaluate' ? ' (evaluating)' : ''}`;
      onProgress?.({ stage: 'train', done: step, total, unit: 'steps', resumedFrom, detail });
    },
  });
  onProgress?.({
    stage: 'train',
    done: result.steps,
    total: result.steps,
    unit: 'steps',
    detail: `kept step ${result.bestStep}, validation loss ${result.bestLoss.toFixed(4)}`,
    finished: true,
  });
  return result;
}

async function exportStage(
  model: PricePredictor,
  trained: TrainResult,
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  onProgress?: ProgressListener,
): Promise<void> {
  const golden = new Float32Array(config.window * data.table.columns);
  rawWindows(data, Int32Array.of(data.split.train.start), config.window).batch([0], golden);
  const best = trained.history.evaluations.find(({ step }) => step === trained.bestStep);
  const common: ArtefactOptions = {
    model,
    parameters: trained.parameters,
    scaler: data.scaler,
    featureSet: data.featureSet,
    featureNames: data.table.names,
    label: { ...labelDefinition(config), thresholds: data.labels.map(({ threshold }) => threshold), unit: 'events' },
    horizons: config.horizons,
    classes: CLASSES,
    golden,
    card: {
      name: `price predictor, ${data.session.instrument.symbol}`,
      description: `Direction of the mid price over the next ${config.horizons.join(', ')} events from a window of ${config.window} order-book rows.`,
      createdAt: folder.createdAt,
      dataSource: shortSource(data.session.source),
      seed: config.seed,
      metrics: {
        validationLoss: trained.bestLoss,
        validationAccuracy: best?.horizons.map(({ accuracy }) => accuracy) ?? [],
        bestStep: trained.bestStep,
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

async function predictStage(
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  {
    signal,
    onProgress,
    onNote,
  }: { signal?: AbortSignal; onProgress?: ProgressListener; onNote: (text: string) => void },
): Promise<{ predictors: PredictorMetrics[]; agreements: RunMetrics['agreement'] }> {
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
    const latencies = measureLatency(
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

function trainingCurve(history: History): TrainingPoint[] {
  const rates = new Map(history.steps.map(({ step, learningRate }) => [step, learningRate]));
  return history.evaluations.map(({ step, trainLoss, loss, horizons }) => ({
    step,
    trainLoss,
    learningRate: rates.get(step) ?? Number.NaN,
    validationLoss: loss,
    validationAccuracy: horizons.map(({ accuracy }) => accuracy),
  }));
}

function labelDefinition({ label }: RunConfig): { kind: string; description: string } {
  return label === 'mid'
    ? {
        kind: 'mid',
        description:
          'Direction of the mean of the next k mid prices against the mid now (Zhang et al. 2019, eq. 3; «label A»).',
      }
    : {
        kind: 'past',
        description:
          'Direction of the mean of the next k mid prices against the mean of the last k (Zhang et al. 2019, eq. 4; «label B»: it contains the past).',
      };
}

/** A source without the folders of this machine. */
function shortSource(source: string): string {
  return source.includes('/') && !source.includes(' ')
    ? basename(source)
    : source.replace(/(?:\/[^\s/]+)+\/([^\s/]+)/g, '$1');
}

function machine(): RunMetrics['machine'] {
  const { cpu, isa, threads } = runtimeInfo();
  return { cpu, isa, threads, node: process.versions.node };
}

/** Wall time of each stage. */
class StageClock {
  readonly stages: { name: string; seconds: number }[] = [];

  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await work();
    this.stages.push({ name, seconds: (performance.now() - start) / 1000 });
    return result;
  }
}
