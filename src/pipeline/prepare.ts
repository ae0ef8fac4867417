import { type RebuiltBook, rebuildBook } from '../book/index.js';
import { invalid } from '../core/errors.js';
import { oneOf } from '../core/options.js';
import {
  type Labels,
  lastMoveGuess,
  MirroredWindows,
  makeLabels,
  midPrices,
  type Split,
  StandardScaler,
  sampleRows,
  standardReturns,
  WindowDataset,
  walkForwardSplit,
} from '../data/index.js';
import {
  computeFeatures,
  defaultFeatures,
  extendedFeatures,
  type FeatureSet,
  type FeatureTable,
  featureMemory,
  featureMirror,
  type Mirror,
} from '../features/index.js';
import { FEED_NAMES, type FeedName, type MarketSession, readSession, syntheticSession } from '../market/index.js';
import type { Windows } from '../train/index.js';
import type { RunConfig } from './config.js';
import type { ProgressListener } from './progress.js';

/** What training and prediction read: features, labels, the split, and the scaler that saw the training part only. */
export interface PreparedData {
  session: MarketSession;
  book: RebuiltBook;
  featureSet: FeatureSet;
  /** Of the feature set; with `mirror` the scaler was fitted with it. */
  mirror: Mirror;
  /** Raw features, one row an event. */
  table: FeatureTable;
  mid: Float64Array;
  labels: Labels[];
  split: Split;
  purge: number;
  embargo: number;
  scaler: StandardScaler;
}

/** Reads the session that the configuration names, or generates the synthetic one. */
export async function readStage(
  config: Pick<RunConfig, 'data' | 'format' | 'seed' | 'events'>,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: ProgressListener },
): Promise<MarketSession> {
  const format = config.format === 'auto' ? undefined : oneOf<FeedName>('format', config.format, FEED_NAMES);
  if (config.data === undefined) {
    if (format !== undefined) throw invalid('data', `a file in the format ${format}`, config.data);
    const session = syntheticSession({ seed: config.seed, events: config.events });
    const { length } = session.events;
    onProgress?.({
      stage: 'read',
      done: length,
      total: length,
      unit: 'events',
      detail: session.source,
      finished: true,
    });
    return session;
  }
  const session = await readSession(config.data, format, {
    signal,
    onProgress: ({ done, total, unit }) => onProgress?.({ stage: 'read', done, total, unit }),
  });
  const { length } = session.events;
  const { symbol, venue } = session.instrument;
  onProgress?.({
    stage: 'read',
    done: length,
    total: length,
    unit: 'events',
    detail: `${length} events of ${symbol} (${venue})`,
    finished: true,
  });
  return session;
}

/** Book, features, labels, split and scaler of a session. Nothing but the training part decides a threshold or a scale. */
export function prepareData(session: MarketSession, config: RunConfig, onProgress?: ProgressListener): PreparedData {
  const { length } = session.events;
  const done = (stage: string, detail: string) =>
    onProgress?.({ stage, done: length, total: length, unit: 'events', detail, finished: true });
  const start = (stage: string) => onProgress?.({ stage, done: 0, total: length, unit: 'events' });

  start('book');
  const levels = bookLevels(session, config);
  const book = rebuildBook(session, { levels });
  done('book', session.book === undefined ? bookDetail(book) : 'as the feed tells it, by price levels');

  start('features');
  const featureSet = config.features === 'extended' ? extendedFeatures(levels) : defaultFeatures(levels);
  const mirror = featureMirror(featureSet, levels);
  const table = computeFeatures(session.events, book.snapshots, session.instrument, featureSet);
  const mid = midPrices(book.snapshots);
  done('features', `${table.columns} features`);

  const purge = Math.max(...config.horizons);
  // A label against the past reads `horizon` rows back, further than the window may.
  const window = config.label === 'past' ? Math.max(config.window, purge) : config.window;
  // Features remember events too: left out, so that nothing of one part reaches into the next even through them.
  const embargo = featureMemory(featureSet);
  const split = walkForwardSplit(length, { purge, embargo, window });
  const labels = makeLabels(mid, { horizons: config.horizons, base: config.label, train: split.train });
  const scaler = StandardScaler.fit(
    table.values,
    table.columns,
    { start: 0, end: split.train.end },
    { names: table.names, ...(config.mirror && { mirror }) },
  );
  return { session, book, featureSet, mirror, table, mid, labels, split, purge, embargo, scaler };
}

/** The levels asked for, or as many as the feed's own book has where those are fewer. */
export function bookLevels({ reference, book }: MarketSession, { levels }: Pick<RunConfig, 'levels'>): number {
  return Math.min(levels, (reference ?? book)?.levels ?? levels);
}

function bookDetail({ checked, mismatches, levelsTaken }: RebuiltBook): string {
  if (!checked) return 'rebuilt from an empty book';
  const agreement =
    mismatches === 0
      ? "agrees with the feed's own book in every row"
      : `differs from the feed's own book in ${mismatches} rows`;
  return `${agreement}, ${levelsTaken} levels taken from beyond its view`;
}

/** The training windows of a configuration: with their images, and with returns, where it wants them. */
export function trainingWindows(
  data: PreparedData,
  scaled: Float32Array,
  config: Pick<RunConfig, 'window' | 'mirror' | 'regression'>,
): Windows {
  const windows = scaledWindows(data, scaled, 'train', config.window, 1, config.regression !== 'none');
  return config.mirror ? new MirroredWindows(windows, data.mirror) : windows;
}

/** Windows of scaled features with their labels, and with returns where they are wanted: every `stride`-th row of one part of the split. */
export function scaledWindows(
  data: PreparedData,
  scaled: Float32Array,
  part: 'train' | 'validation' | 'test',
  steps: number,
  stride = 1,
  returns = false,
): WindowDataset {
  return new WindowDataset({
    values: scaled,
    columns: data.table.columns,
    steps,
    targets: data.labels.map((l) => l.classes),
    ...(returns && { returns: data.labels.map((label) => standardReturns(label, data.split.train)) }),
    rows: sampleRows(data.split[part], stride),
    names: data.table.names,
  });
}

/** Windows of raw features, as a predictor takes them. */
export function rawWindows(data: PreparedData, rows: Int32Array, steps: number): WindowDataset {
  return new WindowDataset({
    values: data.table.values,
    columns: data.table.columns,
    steps,
    rows,
    names: data.table.names,
  });
}

/** The classes of the last-move baseline at the given rows. */
export function lastMoves(data: PreparedData, horizon: number, threshold: number, rows: Int32Array): Int32Array {
  const guess = lastMoveGuess(data.mid, { horizon, threshold });
  return rows.map((row) => guess[row]);
}
