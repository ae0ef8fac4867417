import { rebuildBook } from '../../book/index.js';
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
import {
  computeFeatures,
  extendedFeatures,
  type FeatureSet,
  type FeatureTable,
  featureMirror,
} from '../../features/index.js';
import type { MarketSession } from '../../market/index.js';
import { accuracy, COVERAGES, macroF1, majorityClass, scoreLogits } from '../../metrics/index.js';
import { bookLevels } from '../prepare.js';
import type { ProgressListener } from '../progress.js';
import { PROTOCOL_HORIZONS, PROTOCOL_WINDOW } from './recipe.js';

/** What a model reaches on one label. */
export interface ProtocolScore {
  accuracy: number;
  macroF1: number;
  /** By the label's direction output, over the surest shares of the rows, in the order of COVERAGES. */
  directional: number[];
  /** The same by P(up) − P(down) of the three classes. */
  classDirectional: number[];
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

export type Part = 'train' | 'validation' | 'test';

/** A label with its own split; classes are −1 in the rows that its split leaves out. */
export interface Task extends Labels {
  label: 'A' | 'B';
  /** The sign of r as classes, 0 down and 2 up; −1 where r is 0, and in the rows that the split leaves out. */
  signs: Int32Array;
  split: Split;
}

export interface PreparedProtocol {
  tasks: Task[];
  featureSet: FeatureSet;
  /** Raw features, one row an event. */
  table: FeatureTable;
  scaler: StandardScaler;
  mid: Float64Array;
  train: MirroredWindows;
  validation: WindowDataset;
  test: WindowDataset;
}

/**
 * The outputs of a model: the classes of every task, then the direction of every task. A direction is learned from the sign of r in the rows
 * where it has one, so that «flat» is never taught: P(up) is the chance of up given that the price moves at all, however little.
 */
export const outputCount = (tasks: readonly unknown[]): number => 2 * tasks.length;

/** Labels, splits, extended features, and a scaler that sees the training part and its mirror image only. */
export function prepareProtocol(session: MarketSession, onProgress?: ProgressListener): PreparedProtocol {
  const { length } = session.events;
  const report = (detail: string) =>
    onProgress?.({ stage: 'features', done: length, total: length, unit: 'events', detail, finished: true });
  const levels = bookLevels(session, { levels: 10 });
  const { snapshots } = rebuildBook(session, { levels });
  const featureSet = extendedFeatures(levels);
  const table = computeFeatures(session.events, snapshots, session.instrument, featureSet);
  const { values, columns, names } = table;
  report(`${columns} features`);

  const mid = midPrices(snapshots);
  const splits = new Map(PROTOCOL_HORIZONS.map((k) => [k, walkForwardSplit(length, { purge: k, embargo: k })]));
  const tasks = (['mid', 'past'] as const).flatMap((base) =>
    PROTOCOL_HORIZONS.map((horizon): Task => {
      const split = splits.get(horizon)!;
      const [labels] = makeLabels(mid, { horizons: [horizon], base, train: split.train });
      const label = base === 'mid' ? 'A' : 'B';
      const classes = onlyIn(labels.classes, Object.values(split));
      return { ...labels, classes, label, signs: signsOf(labels.change, classes), split };
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
      targets: [...tasks.map(({ classes }) => classes), ...tasks.map(({ signs }) => signs)],
      returns: [...returns, ...returns],
      rows: sampleRows({ ...most[part], start: Math.max(most[part].start, PROTOCOL_WINDOW - 1) }),
      names,
    });
  return {
    ...{ tasks, featureSet, table, scaler, mid, validation: windows('validation'), test: windows('test') },
    train: new MirroredWindows(windows('train'), mirror),
  };
}

function onlyIn(classes: Int32Array, ranges: readonly RowRange[]): Int32Array {
  return classes.map((c, row) => (ranges.some(({ start, end }) => row >= start && row < end) ? c : -1));
}

function signsOf(change: Float64Array, classes: Int32Array): Int32Array {
  return classes.map((c, row) => (c < 0 || change[row] === 0 ? -1 : change[row] > 0 ? 2 : 0));
}

/** Scores the two outputs of a task, rows × 3 logits each, in the given rows. */
export function scored(
  { classes, change }: Task,
  { logits, direction }: { logits: Float32Array; direction: Float32Array },
  rows: Int32Array,
): ProtocolScore {
  const known = [...rows.keys()].filter((i) => classes[rows[i]] >= 0);
  const actual = Int32Array.from(known, (i) => classes[rows[i]]);
  const moved = Float64Array.from(known, (i) => change[rows[i]]);
  const [byClass, byDirection] = [logits, direction].map((all) => {
    const own = new Float32Array(known.length * 3);
    for (const [j, i] of known.entries()) own.set(all.subarray(3 * i, 3 * i + 3), 3 * j);
    const { accuracy, macroF1, coverage } = scoreLogits(own, actual, { change: moved });
    return { accuracy, macroF1, directional: coverage.map(({ directional }) => directional) };
  });
  return { ...byClass, directional: byDirection.directional, classDirectional: byClass.directional };
}

export function describeTask(task: Task, mid: Float64Array): ProtocolTask {
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
    classDirectional: COVERAGES.map(() => Number.NaN),
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
