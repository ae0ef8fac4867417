import { join } from 'node:path';
import { rebuildBook } from '../../book/index.js';
import { invalid } from '../../core/errors.js';
import { makeFolder, writeFileAtomic } from '../../core/files.js';
import { checkOptions, integer } from '../../core/options.js';
import {
  countClasses,
  type Labels,
  lastMoveGuess,
  MirroredWindows,
  makeLabels,
  midPrices,
  type RowRange,
  type Split,
  StandardScaler,
  sampleRows,
  standardReturns,
  WindowDataset,
  walkForwardSplit,
} from '../../data/index.js';
import { computeFeatures, extendedFeatures, featureMirror } from '../../features/index.js';
import type { MarketSession } from '../../market/index.js';
import { accuracy, COVERAGES, macroF1, majorityClass, scoreLogits } from '../../metrics/index.js';
import type { Classifier } from '../../models/index.js';
import { predictLogits, type TrainOptions, type TrainProgress, trainEnsemble } from '../../train/index.js';
import { shortSource } from '../describe.js';
import { bookLevels, readStage } from '../prepare.js';
import type { ProgressListener } from '../progress.js';
import {
  PROTOCOL_BASELINE,
  PROTOCOL_HORIZONS,
  PROTOCOL_MEMBERS,
  PROTOCOL_TRAINING,
  PROTOCOL_WINDOW,
  type ProtocolModel,
  protocolModel,
  protocolTraining,
} from './recipe.js';

/** What a model reaches on one label. */
export interface ProtocolScore {
  accuracy: number;
  macroF1: number;
  /** Over the surest shares of the rows, in the order of COVERAGES. */
  directional: number[];
}

/** One label before any model. */
export interface ProtocolTask {
  /** A: against the mid now; B: against the mean of the last k mids. */
  label: 'A' | 'B';
  horizon: number;
  threshold: number;
  /** Rows of the test part that count. */
  rows: number;
  /** Down, flat, up. */
  balance: { train: number[]; validation: number[]; test: number[] };
  /** The majority class of the training part; the sign of the last k events' move. */
  baselines: { majority: ProtocolScore; lastMove: ProtocolScore };
}

export interface ProtocolResult {
  name: string;
  parameters: number;
  /** Wall time of training. */
  seconds: number;
  /** Sum of the labels' cross-entropies. */
  validationLoss: number;
  /** One a task. */
  validation: ProtocolScore[];
  /** Of the baseline, the best single model and the ensemble, unless the test part is left alone. */
  test?: ProtocolScore[];
}

export interface ProtocolResults {
  version: 1;
  source: string;
  rows: number;
  features: number;
  seed: number;
  steps: number;
  tasks: ProtocolTask[];
  /** The member that every other model must beat. */
  baseline: string;
  members: ProtocolResult[];
  /** The member with the lowest validation loss, but for the baseline. */
  best: string;
  ensemble: ProtocolResult;
  /** weights[task][member], learned on the validation part. */
  weights: number[][];
}

export interface ProtocolOptions {
  folder: string;
  /** A market data file; absent: the synthetic session. */
  data?: string;
  format?: string;
  /** Events of the synthetic session. */
  events?: number;
  seed?: number;
  /** Training steps of every model; default those of the recipe. */
  steps?: number;
  /** Score the test part. Default true; without it every choice can be made on the validation part first. */
  test?: boolean;
  signal?: AbortSignal;
  onProgress?: ProgressListener;
}

export const PROTOCOL_FILE = 'protocol.json';

type Part = 'train' | 'validation' | 'test';

/**
 * Trains a logistic regression, several small models and their ensemble under one protocol, and scores them:
 *
 *   Event time. The first 60 % of the rows train, the next 20 % choose weights and members, the last 20 % test; around each border k rows
 *   are left out for the label of horizon k. Labels A and B (Zhang et al. 2019, eq. 3 and 4) for k = 10, 50, 100, three classes by the tercile of
 *   |r| on the training part. Directional accuracy: the sign of P(up) − P(down) against that of r, over the surest 100, 50, 25 and 10 % of the
 *   test rows; rows with r = 0 have no direction.
 *
 * All models learn the six labels at once, from the extended features of the last PROTOCOL_WINDOW rows and from their mirror images. Checkpoints
 * lie in the folder: a study that was interrupted goes on with the same command.
 *
 * @throws FlashbookError OPTION where the folder holds a study of other options; ABORTED after the signal
 */
export async function protocolStudy(options: ProtocolOptions): Promise<ProtocolResults> {
  const names = ['folder', 'data', 'format', 'events', 'seed', 'steps', 'test', 'signal', 'onProgress'];
  checkOptions('protocolStudy', options, names);
  const { folder, data, format = 'auto', events = 40_000, seed = 1, test = true, signal, onProgress } = options;
  if (typeof folder !== 'string' || folder === '') throw invalid('folder', 'a path', folder);
  const steps = integer('steps', options.steps ?? PROTOCOL_TRAINING.steps, 1);
  await makeFolder(folder);
  const session = await readStage({ data, format, seed, events }, { signal, onProgress });
  const prepared = prepareProtocol(session, onProgress);
  const { tasks, columns } = prepared;

  const shape = { features: columns, horizons: tasks.length };
  const common = (model: ProtocolModel): TrainOptions => ({
    ...protocolTraining(model, steps),
    ...{ train: prepared.train, validation: prepared.validation, seed, resume: true, signal },
    onProgress: trainingProgress(model.name, onProgress),
  });
  const scoresOf = async (model: Classifier, parameters: ReadonlyMap<string, Float32Array>, part: Part) => {
    const windows = part === 'test' ? prepared.test : prepared.validation;
    const logits = await predictLogits(model, parameters, windows, { batch: 256 });
    return tasks.map((task, t) => scored(task, logits[t], windows.rows));
  };

  const joined = await trainEnsemble(
    PROTOCOL_MEMBERS.map((member, m) => ({
      name: fileName(member.name),
      model: () => protocolModel(member, shape),
      options: { ...common(member), seed: seed + m },
    })),
    // Those of the baseline, so that losses are plain cross-entropies, without the smoothing of the others' training.
    { ...common(PROTOCOL_BASELINE), checkpoint: join(folder, 'member') },
  );
  const linear = PROTOCOL_MEMBERS.indexOf(PROTOCOL_BASELINE);
  const lossOf = (m: number) => (m === linear ? Number.POSITIVE_INFINITY : joined.members[m].loss);
  const best = [...PROTOCOL_MEMBERS.keys()].reduce((b, m) => (lossOf(m) < lossOf(b) ? m : b));
  const members: ProtocolResult[] = [];
  for (const [m, member] of PROTOCOL_MEMBERS.entries()) {
    const model = protocolModel(member, shape);
    const { parameters, seconds } = joined.results[m];
    members.push({
      name: member.name,
      parameters: model.parameterCount(),
      seconds,
      validationLoss: joined.members[m].loss,
      validation: await scoresOf(model, parameters, 'validation'),
      ...(test && (m === best || m === linear) && { test: await scoresOf(model, parameters, 'test') }),
    });
  }
  const results: ProtocolResults = {
    version: 1,
    source: shortSource(session.source),
    rows: session.events.length,
    features: columns,
    seed,
    steps,
    tasks: tasks.map((task) => describeTask(task, prepared.mid)),
    baseline: PROTOCOL_BASELINE.name,
    members,
    best: PROTOCOL_MEMBERS[best].name,
    ensemble: {
      name: 'ensemble',
      parameters: joined.model.parameterCount(),
      seconds: members.reduce((sum, { seconds }) => sum + seconds, 0),
      validationLoss: joined.ensemble.loss,
      validation: await scoresOf(joined.model, joined.parameters, 'validation'),
      ...(test && { test: await scoresOf(joined.model, joined.parameters, 'test') }),
    },
    weights: joined.weights,
  };
  await writeFileAtomic(join(folder, PROTOCOL_FILE), `${JSON.stringify(results, null, 1)}\n`);
  return results;
}

/** A label with its own split; classes are −1 in the rows that its split leaves out. */
interface Task extends Labels {
  label: 'A' | 'B';
  split: Split;
}

interface PreparedProtocol {
  tasks: Task[];
  columns: number;
  mid: Float64Array;
  train: MirroredWindows;
  validation: WindowDataset;
  test: WindowDataset;
}

/** Labels, splits, extended features, and a scaler that sees the training part and its mirror image only. */
export function prepareProtocol(session: MarketSession, onProgress?: ProgressListener): PreparedProtocol {
  const { length } = session.events;
  const report = (detail: string) =>
    onProgress?.({ stage: 'features', done: length, total: length, unit: 'events', detail, finished: true });
  const levels = bookLevels(session, { levels: 10 });
  const { snapshots } = rebuildBook(session, { levels });
  const featureSet = extendedFeatures(levels);
  const { values, columns, names } = computeFeatures(session.events, snapshots, session.instrument, featureSet);
  report(`${columns} features`);

  const mid = midPrices(snapshots);
  const splits = new Map(PROTOCOL_HORIZONS.map((k) => [k, walkForwardSplit(length, { purge: k, embargo: k })]));
  const tasks = (['mid', 'past'] as const).flatMap((base) =>
    PROTOCOL_HORIZONS.map((horizon): Task => {
      const split = splits.get(horizon)!;
      const [labels] = makeLabels(mid, { horizons: [horizon], base, train: split.train });
      const label = base === 'mid' ? 'A' : 'B';
      return { ...labels, classes: onlyIn(labels.classes, Object.values(split)), label, split };
    }),
  );

  const mirror = featureMirror(featureSet, levels);
  const { train } = splits.get(Math.max(...PROTOCOL_HORIZONS))!;
  const scaler = StandardScaler.fit(values, columns, train, { names, mirror });
  const scaled = scaler.transform(values);
  // The shortest horizon has the most rows; the others have no label where theirs are left out.
  const most = splits.get(Math.min(...PROTOCOL_HORIZONS))!;
  const returns = tasks.map((task) => standardReturns(task, task.split.train));
  const windows = (part: Part) =>
    new WindowDataset({
      values: scaled,
      columns,
      steps: PROTOCOL_WINDOW,
      targets: tasks.map(({ classes }) => classes),
      returns,
      rows: sampleRows({ ...most[part], start: Math.max(most[part].start, PROTOCOL_WINDOW - 1) }),
      names,
    });
  return {
    ...{ tasks, columns, mid, validation: windows('validation'), test: windows('test') },
    train: new MirroredWindows(windows('train'), mirror),
  };
}

function onlyIn(classes: Int32Array, ranges: readonly RowRange[]): Int32Array {
  return classes.map((c, row) => (ranges.some(({ start, end }) => row >= start && row < end) ? c : -1));
}

function scored({ classes, change }: Task, logits: Float32Array, rows: Int32Array): ProtocolScore {
  const known = [...rows.keys()].filter((i) => classes[rows[i]] >= 0);
  const own = new Float32Array(known.length * 3);
  for (const [j, i] of known.entries()) own.set(logits.subarray(3 * i, 3 * i + 3), 3 * j);
  const actual = Int32Array.from(known, (i) => classes[rows[i]]);
  const moved = Float64Array.from(known, (i) => change[rows[i]]);
  const { accuracy, macroF1, coverage } = scoreLogits(own, actual, { change: moved });
  return { accuracy, macroF1, directional: coverage.map(({ directional }) => directional) };
}

function describeTask(task: Task, mid: Float64Array): ProtocolTask {
  const { label, horizon, threshold, classes, split } = task;
  const shares = (range: RowRange) => {
    const counts = countClasses(classes, range);
    const total = counts.reduce((a, b) => a + b, 0);
    return counts.map((n) => n / total);
  };
  const rows = sampleRows(split.test);
  const actual = rows.map((row) => classes[row]);
  const trained = classes.subarray(split.train.start, split.train.end);
  const guess = (predicted: Int32Array): ProtocolScore => ({
    accuracy: accuracy(predicted, actual),
    macroF1: macroF1(predicted, actual),
    directional: COVERAGES.map(() => Number.NaN),
  });
  const moves = lastMoveGuess(mid, { horizon, threshold: 0 });
  return {
    ...{ label, horizon, threshold, rows: rows.length },
    balance: { train: shares(split.train), validation: shares(split.validation), test: shares(split.test) },
    baselines: {
      majority: guess(new Int32Array(rows.length).fill(majorityClass(trained))),
      lastMove: guess(rows.map((row) => moves[row])),
    },
  };
}

function fileName(name: string): string {
  return name.replace(/[^a-zA-Z0-9]+/g, '-').toLowerCase();
}

function trainingProgress(name: string, onProgress?: ProgressListener) {
  return ({ phase, fraction, step, total, validationLoss }: TrainProgress) =>
    onProgress?.({
      stage: name,
      done: step,
      total,
      unit: 'steps',
      detail: Number.isNaN(validationLoss) ? '' : `validation ${validationLoss.toFixed(4)}`,
      finished: step === total && phase === 'evaluate' && fraction === 1,
    });
}
