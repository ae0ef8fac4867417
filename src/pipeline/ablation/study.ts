import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { FlashbookError, invalid } from '../../core/errors.js';
import { fileError, makeFolder, writeFileAtomic } from '../../core/files.js';
import { checkOptions } from '../../core/options.js';
import { sampleRows } from '../../data/index.js';
import type { HorizonMetrics, Score } from '../../monitor/run-metrics.js';
import { predictLogits, train } from '../../train/index.js';
import { type RunConfig, type RunConfigInput, runConfig } from '../config.js';
import { labelDefinition, shortSource } from '../describe.js';
import { type PreparedData, prepareData, readStage, scaledWindows } from '../prepare.js';
import type { ProgressListener } from '../progress.js';
import { runModel } from '../run-model.js';
import { horizonMetrics, scoreHorizons } from '../score.js';
import { trainOptionsOf } from '../train-stage.js';
import { ABLATION_BASE, VARIANTS, type Variant } from './variants.js';

/** One variant trained from one seed. */
export interface AblationRun {
  variant: string;
  seed: number;
  parameters: number;
  /** Wall time of training, its evaluations included. */
  seconds: number;
  /** On the test part, one a horizon. */
  scores: (Score & { horizon: number; directional: number[] })[];
}

export interface AblationResults {
  version: 1;
  source: string;
  label: string;
  /** The configuration that every variant changes. */
  base: RunConfig;
  horizons: HorizonMetrics[];
  runs: AblationRun[];
}

export interface AblationOptions {
  folder: string;
  /** Over the base: the data, the label, steps … */
  base: RunConfigInput;
  seeds: readonly number[];
  /** Only variants whose name matches. */
  filter?: RegExp;
  signal?: AbortSignal;
  onProgress?: ProgressListener;
}

export const ABLATION_FILE = 'ablation.json';
/** Shares of the test rows, the surest first, at which directional accuracy is stated. */
export const ABLATION_COVERAGES = [1, 0.5] as const;

/**
 * Trains every variant from every seed with the same budget on the same data, and scores each once on the test part. What is
 * done stands in `<folder>/ablation.json` at once: a study that was interrupted goes on with the same command.
 *
 * @throws FlashbookError OPTION where the folder holds a study of another base; ABORTED after the signal
 */
export async function ablationStudy(options: AblationOptions): Promise<AblationResults> {
  checkOptions('ablationStudy', options, ['folder', 'base', 'seeds', 'filter', 'signal', 'onProgress']);
  const { folder, seeds, filter, signal, onProgress } = options;
  if (seeds.length === 0) throw invalid('seeds', 'at least one seed', seeds);
  const variants = VARIANTS.filter(({ name }) => filter === undefined || filter.test(name));
  if (variants.length === 0) throw invalid('filter', `one of ${VARIANTS.map(({ name }) => name).join(', ')}`, filter);
  const base = { ...ABLATION_BASE, ...options.base };
  const config = runConfig(base);
  await makeFolder(folder);
  const file = join(folder, ABLATION_FILE);
  const before = await earlier(file, config);

  const data = prepareData(await readStage(config, { signal, onProgress }), config, onProgress);
  const results: AblationResults = {
    version: 1,
    source: shortSource(data.session.source),
    label: labelDefinition(config).description,
    base: config,
    horizons: data.labels.map((label) => horizonMetrics(data, label)),
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
    results.runs.push(await runVariant(variant, { ...base, ...variant.change, seed }, data, signal));
    left.shift();
    await writeFileAtomic(file, `${JSON.stringify(results, null, 1)}\n`);
  }
  report(file, true);
  return results;
}

async function runVariant(
  variant: Variant,
  given: RunConfigInput,
  data: PreparedData,
  signal: AbortSignal | undefined,
): Promise<AblationRun> {
  const config = runConfig(given);
  const scaled = data.scaler.transform(data.table.values);
  const windows = (part: 'train' | 'validation' | 'test') => scaledWindows(data, scaled, part, config.window);
  const options = { ...trainOptionsOf(config), train: windows('train'), validation: windows('validation'), signal };
  const features = data.table.columns;
  const begin = performance.now();
  const trained = await (variant.train ?? trainOnce)({ config, features, options });
  const seconds = (performance.now() - begin) / 1000;

  const rows = sampleRows(data.split.test);
  const heads = await predictLogits(trained.model, trained.parameters, windows('test'), { batch: 256 });
  const scores = scoreHorizons(interleaved(heads, rows.length), rows, data.labels, 3);
  return {
    variant: variant.name,
    seed: config.seed,
    parameters: trained.model.parameterCount(),
    seconds,
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
  if (JSON.stringify(saved.base) !== JSON.stringify(base)) {
    throw new FlashbookError('OPTION', `${file} holds a study of another base; choose another folder`, { file });
  }
  return saved.runs;
}
