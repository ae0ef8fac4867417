import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FlashbookError, invalid } from '../../core/errors.js';
import { fileError, makeFolder, writeFileAtomic } from '../../core/files.js';
import { checkOptions } from '../../core/options.js';
import type { HorizonMetrics, Score } from '../../monitor/run-metrics.js';
import { setThreads } from '../../native/index.js';
import { predictLogits, train } from '../../train/index.js';
import { type RunConfig, type RunConfigInput, runConfig } from '../config.js';
import { labelDefinition, shortSource } from '../describe.js';
import { type PreparedData, prepareData, readStage, scaledWindows, trainingWindows } from '../prepare.js';
import type { ProgressListener } from '../progress.js';
import { runModel } from '../run-model.js';
import { horizonMetrics, scoreHorizons } from '../score.js';
import { trainOptionsOf } from '../train-stage.js';
import { ABLATION_BASE, VARIANTS, type Variant, variantConfig } from './variants.js';

/** One variant trained from one seed. */
export interface AblationRun {
  variant: string;
  seed: number;
  parameters: number;
  /** Steps made, by an ensemble of several runs by each of them. */
  steps: number;
  /** Processor time of training, its evaluations included: other processes add little to it. */
  seconds: number;
  /** On the test part, one a horizon. */
  scores: (Score & { horizon: number; directional: number[] })[];
}

export interface AblationResults {
  version: 2;
  source: string;
  label: string;
  /** The configuration that every variant changes. */
  base: RunConfig;
  /** Threads of the native core. */
  threads: number;
  horizons: HorizonMetrics[];
  runs: AblationRun[];
}

export interface AblationOptions {
  folder: string;
  /** Over the base: the data, the label, steps … */
  base: RunConfigInput;
  seeds: readonly number[];
  /** Only variants whose name, or `group: name`, matches. */
  filter?: RegExp;
  /** Threads of the native core; no score depends on it, times do. Default 1. */
  threads?: number;
  signal?: AbortSignal;
  onProgress?: ProgressListener;
}

export const ABLATION_FILE = 'ablation.json';
/** Shares of the test rows, the surest first, at which directional accuracy is stated. */
export const ABLATION_COVERAGES = [1, 0.5] as const;
/** Rows of the validation and test parts are taken at this distance: neighbours share nearly all of their windows and labels. */
export const ABLATION_STRIDE = 4;

/**
 * Trains every variant from every seed with the same budget on the same data, and scores each once on the test part. What is
 * done stands in `<folder>/ablation.json` at once: a study that was interrupted goes on with the same command.
 *
 * @throws FlashbookError OPTION where the folder holds a study of another base; ABORTED after the signal
 */
export async function ablationStudy(options: AblationOptions): Promise<AblationResults> {
  checkOptions('ablationStudy', options, ['folder', 'base', 'seeds', 'filter', 'threads', 'signal', 'onProgress']);
  const { folder, seeds, filter, threads = 1, signal, onProgress } = options;
  if (seeds.length === 0) throw invalid('seeds', 'at least one seed', seeds);
  const named = ({ group, name }: Variant) =>
    filter === undefined || filter.test(name) || filter.test(`${group}: ${name}`);
  const variants = VARIANTS.filter(named);
  if (variants.length === 0)
    throw invalid('filter', `one of ${VARIANTS.map(({ name }) => name).join(', ')}`, filter?.source);
  const base = { ...ABLATION_BASE, ...options.base };
  const config = runConfig(base);
  await makeFolder(folder);
  const file = join(folder, ABLATION_FILE);
  const before = await earlier(file, config);

  setThreads(threads);
  // The longest window of all decides the split, so that all variants see the same rows.
  const window = Math.max(config.window, ...VARIANTS.map(({ change }) => change.window ?? 0));
  const session = await readStage(config, { signal, onProgress });
  const data = prepareData(session, { ...config, window }, onProgress);
  // A scaler that is fitted with the mirror images is another one; split and labels are the same.
  let mirrored: PreparedData | undefined;
  const dataOf = ({ mirror }: RunConfig): PreparedData => {
    if (!mirror) return data;
    mirrored ??= prepareData(session, { ...config, window, mirror }, onProgress);
    return mirrored;
  };
  const results: AblationResults = {
    version: 2,
    source: shortSource(data.session.source),
    label: labelDefinition(config).description,
    base: config,
    threads,
    horizons: data.labels.map((label) => horizonMetrics(data, label, ABLATION_STRIDE)),
    runs: before,
  };
  // Seed by seed, so that a study that is stopped early still compares all variants.
  const jobs = seeds.flatMap((seed) => variants.map((variant) => ({ variant, seed })));
  const isDone = ({ variant, seed }: (typeof jobs)[number]) =>
    results.runs.some((run) => run.variant === variant.name && run.seed === seed);
  const left = jobs.filter((job) => !isDone(job));
  const report = (detail: string, finished = false) => {
    const done = jobs.length - left.length;
    onProgress?.({ stage: 'ablation', done, total: jobs.length, unit: 'runs', detail, finished });
  };
  while (left.length > 0) {
    const { variant, seed } = left[0];
    report(`${variant.name}, seed ${seed}`);
    const own = variantConfig(variant, { ...base, steps: config.steps, seed });
    results.runs.push(await runVariant(variant, own, dataOf(own), signal));
    left.shift();
    await writeFileAtomic(file, `${JSON.stringify(results, null, 1)}\n`);
  }
  report(file, true);
  return results;
}

async function runVariant(
  variant: Variant,
  config: RunConfig,
  data: PreparedData,
  signal: AbortSignal | undefined,
): Promise<AblationRun> {
  const scaled = data.scaler.transform(data.table.values);
  const windows = (part: 'train' | 'validation', steps: number) =>
    part === 'train'
      ? trainingWindows(data, scaled, { ...config, window: steps })
      : scaledWindows(data, scaled, part, steps, ABLATION_STRIDE);
  const parts = { train: windows('train', config.window), validation: windows('validation', config.window) };
  const options = { ...trainOptionsOf(config), ...parts, signal };
  const features = data.table.columns;
  const begin = process.cpuUsage();
  const trained = await (variant.train ?? trainOnce)({ config, features, options, windows });
  const { user, system } = process.cpuUsage(begin);

  const test = scaledWindows(data, scaled, 'test', config.window, ABLATION_STRIDE);
  const { rows } = test;
  const heads = await predictLogits(trained.model, trained.parameters, test, {
    batch: 64,
    precision: config.precision,
  });
  const scores = scoreHorizons(interleaved(heads, rows.length), rows, data.labels, 3);
  return {
    variant: variant.name,
    seed: config.seed,
    parameters: trained.model.parameterCount(),
    steps: config.steps,
    seconds: (user + system) / 1e6,
    scores: scores.map(({ horizon, accuracy, macroF1, coverage }) => ({
      horizon,
      accuracy,
      macroF1,
      directional: ABLATION_COVERAGES.map((share) => coverage.find((point) => point.coverage === share)!.directional),
    })),
  };
}

async function trainOnce({ config, features, options }: Parameters<NonNullable<Variant['train']>>[0]) {
  const model = runModel(config, features);
  return { model, ...(await train(model, options)) };
}

/** (rows, classes) a horizon → (rows, horizons, classes). */
function interleaved(heads: readonly Float32Array[], rows: number): Float32Array {
  const classes = heads[0].length / rows;
  const all = new Float32Array(rows * heads.length * classes);
  for (const [h, head] of heads.entries()) {
    for (let row = 0; row < rows; row++) {
      all.set(head.subarray(row * classes, (row + 1) * classes), (row * heads.length + h) * classes);
    }
  }
  return all;
}

/** The runs of an interrupted study in that file. */
async function earlier(file: string, base: RunConfig): Promise<AblationRun[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(file, 'read', cause); // what cannot be read must not be written over
  }
  let saved: AblationResults;
  try {
    saved = JSON.parse(text);
  } catch (cause) {
    throw new FlashbookError('FORMAT', `${file} is no JSON; remove it or choose another folder`, { file }, { cause });
  }
  if (saved.version !== 2 || JSON.stringify(saved.base) !== JSON.stringify(base)) {
    throw new FlashbookError('OPTION', `${file} holds a study of another base; choose another folder`, { file });
  }
  return saved.runs;
}
