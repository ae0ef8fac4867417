import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, integer, oneOf } from '../core/options.js';

/** Rows `start` … `end − 1`. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/** Against what the mean of the next k mids is held: the mid now (label A), or the mean of the last k mids (label B). */
export type LabelBase = 'mid' | 'past';

/** Classes of the direction, in the order of a model's outputs; −1 stands for «no label». */
export const DIRECTIONS = ['down', 'flat', 'up'] as const;

/**
 * The smoothed relative change of the mid over the next k events (Zhang, Zohren & Roberts 2019, DeepLOB):
 *
 *     m₊(i) = (1/k) Σ_{j=1…k} p_{i+j}        m₋(i) = (1/k) Σ_{j=0…k−1} p_{i−j}
 *     base 'mid'  (label A, eq. 3):  r_i = (m₊(i) − p_i)/p_i
 *     base 'past' (label B, eq. 4):  r_i = (m₊(i) − m₋(i))/m₋(i)
 *
 * NaN where a row that is needed does not exist or has no mid. r_i is made of rows i−k+1 … i+k and no others. Label B
 * holds the past, so a guess from the past alone scores high on it: say which label an accuracy belongs to.
 */
export function smoothedMid(mid: ArrayLike<number>, options: { horizon: number; base?: LabelBase }): Float64Array {
  checkOptions('smoothedMid', options, ['horizon', 'base']);
  const horizon = integer('horizon', options.horizon, 1);
  const base = oneOf<LabelBase>('base', options.base ?? 'mid', ['mid', 'past']);
  const rows = mid.length;
  const change = new Float64Array(rows).fill(Number.NaN);
  for (let i = base === 'past' ? horizon - 1 : 0; i < rows - horizon; i++) {
    // Sums of differences from the mid now: of prices in ticks and halves they are exact, and so independent of all other rows.
    const now = mid[i];
    let next = 0;
    for (let j = 1; j <= horizon; j++) next += mid[i + j] - now;
    if (base === 'mid') {
      change[i] = next / horizon / now;
      continue;
    }
    let last = 0;
    for (let j = 1; j < horizon; j++) last += mid[i - j] - now;
    change[i] = (next - last) / horizon / (now + last / horizon);
  }
  return change;
}

/**
 * The relative change of the mid over the last k events, (p_i − p_{i−k})/p_{i−k}: what the last-move guess classifies, with
 * the label's own threshold. NaN in the first k rows.
 */
export function pastReturn(mid: ArrayLike<number>, horizon: number): Float64Array {
  integer('horizon', horizon, 1);
  const change = new Float64Array(mid.length).fill(Number.NaN);
  for (let i = horizon; i < mid.length; i++) change[i] = (mid[i] - mid[i - horizon]) / mid[i - horizon];
  return change;
}

/**
 * The threshold that makes a third of the changes in `range` flat: the tercile of |r| there (linear between order
 * statistics). Give it the train range alone: a threshold that has seen the test split is look-ahead. 0 where more than
 * a third of the changes are 0.
 *
 * @throws FlashbookError `DATA` where the range holds no defined change
 */
export function fitThreshold(change: Float64Array, range: RowRange): number {
  checkRange(range, change.length);
  const sizes = change
    .subarray(range.start, range.end)
    .filter((r) => !Number.isNaN(r))
    .map(Math.abs)
    .sort();
  if (sizes.length === 0) {
    throw new FlashbookError(
      'DATA',
      `no label is defined in rows ${range.start} to ${range.end - 1}; give more rows or a shorter horizon`,
      {
        start: range.start,
        end: range.end,
      },
    );
  }
  const place = (sizes.length - 1) / 3;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sizes.length - 1);
  return sizes[below] + (place - below) * (sizes[above] - sizes[below]);
}

/** 0 (down) where r < −threshold, 2 (up) where r > threshold, 1 (flat) between, −1 where r is NaN. */
export function classify(change: ArrayLike<number>, threshold: number): Int32Array {
  if (!(threshold >= 0 && Number.isFinite(threshold)))
    throw invalid('threshold', 'a finite number of at least 0', threshold);
  const classes = new Int32Array(change.length);
  for (let i = 0; i < classes.length; i++) {
    const r = change[i];
    classes[i] = Number.isNaN(r) ? -1 : r > threshold ? 2 : r < -threshold ? 0 : 1;
  }
  return classes;
}

/**
 * The last-move guess: the next k events will do what the last k did. Classifies `pastReturn` by the label's threshold; with
 * threshold 0 it is the sign of the past return. Where there is no past, flat.
 */
export function lastMoveGuess(mid: ArrayLike<number>, options: { horizon: number; threshold: number }): Int32Array {
  checkOptions('lastMoveGuess', options, ['horizon', 'threshold']);
  return classify(pastReturn(mid, options.horizon), options.threshold).map((c) => (c < 0 ? 1 : c));
}

/** One horizon's labels over a session. */
export interface Labels {
  readonly horizon: number;
  readonly base: LabelBase;
  /** |r| above which a move is up or down; fitted on the train range alone. */
  readonly threshold: number;
  /** r of `smoothedMid`, one a row. */
  readonly change: Float64Array;
  /** 0 down, 1 flat, 2 up, −1 undefined; one a row. */
  readonly classes: Int32Array;
}

/**
 * Labels of several horizons, their thresholds fitted on `train` alone.
 *
 * @throws FlashbookError `DATA` where train holds one class only: nothing can be learned from that
 */
export function makeLabels(
  mid: ArrayLike<number>,
  options: { horizons: readonly number[]; base?: LabelBase; train: RowRange },
): Labels[] {
  checkOptions('makeLabels', options, ['horizons', 'base', 'train']);
  const { horizons, base = 'mid', train } = options;
  if (!Array.isArray(horizons) || horizons.length === 0)
    throw invalid('horizons', 'a non-empty list of horizons', horizons);
  return horizons.map((horizon) => {
    const change = smoothedMid(mid, { horizon, base });
    const threshold = fitThreshold(change, train);
    const classes = classify(change, threshold);
    requireClasses(classes, train, horizon);
    return { horizon, base, threshold, change, classes };
  });
}

/** Returns in units of their root mean square in `train`, as a regression learns them; NaN where there is none. */
export function standardReturns(label: Pick<Labels, 'change'>, train: RowRange): Float32Array {
  const rms = returnScale(label, train);
  return Float32Array.from(label.change, (r) => r / rms);
}

/**
 * The unit of `standardReturns`: √ of the mean square of the returns in `train`.
 * @throws FlashbookError DATA where no return is other than 0
 */
export function returnScale({ change }: Pick<Labels, 'change'>, train: RowRange): number {
  checkRange(train, change.length);
  const known = change.subarray(train.start, train.end).filter((r) => !Number.isNaN(r));
  const rms = Math.sqrt(known.reduce((sum, r) => sum + r * r, 0) / known.length);
  if (!(rms > 0)) {
    throw new FlashbookError('DATA', `no return other than 0 in rows ${train.start} to ${train.end - 1}`, { ...train });
  }
  return rms;
}

/** How many rows of a range have each class (down, flat, up). */
export function countClasses(classes: Int32Array, range: RowRange = { start: 0, end: classes.length }): number[] {
  checkRange(range, classes.length);
  const counts = [0, 0, 0];
  for (let i = range.start; i < range.end; i++) if (classes[i] >= 0) counts[classes[i]]++;
  return counts;
}

function requireClasses(classes: Int32Array, range: RowRange, horizon: number): void {
  const counts = countClasses(classes, range);
  if (counts.filter((n) => n > 0).length > 1) return;
  const only = DIRECTIONS[counts.findIndex((n) => n > 0)];
  throw new FlashbookError(
    'DATA',
    `the labels of horizon ${horizon} in rows ${range.start} to ${range.end - 1} are all '${only}'; ` +
      'the mid must move there for a model to learn from: give more rows or a longer horizon',
    { horizon, start: range.start, end: range.end, only },
  );
}

/** @throws FlashbookError `OPTION` unless 0 ≤ start ≤ end ≤ rows */
export function checkRange(range: RowRange, rows: number): void {
  integer('range.start', range?.start, 0, rows);
  integer('range.end', range?.end, range.start, rows);
}
