import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { writeFileAtomic } from '../core/files.js';
import { checkOptions } from '../core/options.js';
import { packageVersion } from '../core/version.js';
import { renderReport } from '../monitor/report/page.js';
import type { RunMetrics } from '../monitor/run-metrics.js';
import { runtimeInfo, setThreads } from '../native/index.js';
import { type RunConfigInput, runConfig } from './config.js';
import { labelDefinition, shortSource } from './describe.js';
import { ensembleStage, scoreMembers } from './ensemble-stage.js';
import { exportStage } from './export-stage.js';
import { predictStage } from './predict-stage.js';
import { prepareData, readStage } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, RunFolder } from './run-folder.js';
import { horizonMetrics } from './score.js';
import { trainStage } from './train-stage.js';

export interface RunOptions {
  /** Where the run's files go. */
  folder: string;
  /** Go on from the last checkpoint in the folder, to the same result. */
  resume?: boolean;
  /** Folder of an event file for TensorBoard. */
  tensorboard?: string;
  /** Threads of the native core; no result depends on it. */
  threads?: number;
  signal?: AbortSignal;
  onProgress?: ProgressListener;
  /** A remark that a person should see. */
  onNote?: (text: string) => void;
  /** The clock of the model card. */
  now?: () => Date;
}

const OPTIONS = ['folder', 'resume', 'tensorboard', 'threads', 'signal', 'onProgress', 'onNote', 'now'];

export interface RunResult {
  metrics: RunMetrics;
  /** What was written: name for people → path. */
  files: Record<string, string>;
}

/**
 * The main job: reads (or generates) a session, rebuilds the book, computes features, labels and splits, trains the
 * model (or the members of an ensemble), quantises it, exports both artefacts and ONNX, predicts the test part with every predictor there is, and writes
 * `metrics.json` and `report.html`.
 *
 * @param given what is left out takes its default, as in `runConfig`
 * @throws FlashbookError from every stage, `OPTION` naming a wrong option; `ABORTED` after the signal, when the checkpoint has been written.
 */
export async function runPipeline(given: RunConfigInput, options: RunOptions): Promise<RunResult> {
  checkOptions('runPipeline', options, OPTIONS);
  const config = runConfig(given);
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
  await folder.begin();
  const stage = config.ensemble === undefined ? trainStage : ensembleStage;
  const trained = await stages.time('train', () => stage(data, config, folder, options));
  await stages.time('export', () => exportStage(trained, data, config, folder, onProgress));
  const { predictors, agreements } = await stages.time('predict', () =>
    predictStage(data, config, folder, { signal, onProgress, onNote }),
  );
  const { ensemble: members } = trained;
  const ensemble =
    members &&
    (await stages.time('members', () =>
      scoreMembers(members, trained.parameters, data, config, { signal, onProgress }),
    ));

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
    model: { name: trained.title, parameters: trained.parameterCount, description: trained.description },
    training: trained.training,
    ...(ensemble && { ensemble }),
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
