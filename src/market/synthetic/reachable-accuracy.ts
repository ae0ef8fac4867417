import { invalid } from '../../core/errors.js';
import { checkOptions, integer } from '../../core/options.js';

export interface ReachableOptions {
  /** Rows that the class frequencies are counted on, [start, end). Default: the first half. */
  fit?: readonly [number, number];
  /** Rows that the accuracy is measured on, [start, end). Default: the rest. */
  test?: readonly [number, number];
  /** Bins of the hidden state, equally full. Default 50. */
  bins?: number;
}

/**
 * The accuracy that somebody reaches who knows the hidden state of a synthetic session and nothing else: for each bin
 * of the hidden state the most frequent class among the `fit` rows is the prediction, tried on the `test` rows.
 *
 * It is the bound known for the generator: the hidden state is all that is persistent in its flow, and a model can
 * only infer it. The book of the moment holds a little more about the very next mid prices (where the queues are thin), so
 * at horizons of a few events a model may come above it; at long horizons it stays below.
 *
 * @param hidden the hidden state when each event happened (`session.hidden`)
 * @param targets a class 0, 1, 2 … for each event, −1 where there is none
 * @returns accuracy in [0, 1], the majority baseline (the most frequent class of `fit`, on `test`), and the number of test rows
 */
export function reachableAccuracy(
  hidden: ArrayLike<number>,
  targets: ArrayLike<number>,
  options: ReachableOptions = {},
): { accuracy: number; majority: number; rows: number } {
  checkOptions('reachableAccuracy', options, ['fit', 'test', 'bins']);
  const n = hidden.length;
  if (targets.length !== n) throw invalid('targets', `as many as hidden states (${n})`, targets, 'SHAPE');
  const half = Math.floor(n / 2);
  const { fit = [0, half], test = [half, n], bins = 50 } = options;
  integer('bins', bins, 1, 100_000);
  const known = (range: readonly [number, number], name: string): number[] => {
    integer(`${name} start`, range[0], 0, n);
    integer(`${name} end`, range[1], range[0], n);
    const rows: number[] = [];
    for (let i = range[0]; i < range[1]; i++) if (targets[i] >= 0) rows.push(i);
    if (rows.length === 0) throw invalid(name, 'a range with at least one labelled row', range, 'DATA');
    return rows;
  };
  const fitRows = known(fit, 'fit');
  const testRows = known(test, 'test');

  const sorted = Float64Array.from(fitRows, (i) => hidden[i]).sort();
  const borders = Array.from({ length: bins - 1 }, (_, b) => sorted[Math.floor(((b + 1) * sorted.length) / bins)]);
  const binOf = (x: number): number => {
    let low = 0;
    let high = borders.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (x < borders[middle]) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  const classes = 1 + Math.max(...new Set(fitRows.map((i) => targets[i])), 0);
  const counts = new Float64Array(bins * classes);
  const totals = new Float64Array(classes);
  for (const i of fitRows) {
    counts[binOf(hidden[i]) * classes + targets[i]]++;
    totals[targets[i]]++;
  }
  const majorityClass = totals.indexOf(Math.max(...totals));
  const choice = Array.from({ length: bins }, (_, b) => {
    const frequencies = counts.subarray(b * classes, (b + 1) * classes);
    const most = Math.max(...frequencies);
    return most === 0 ? majorityClass : frequencies.indexOf(most);
  });
  let right = 0;
  let majorityRight = 0;
  for (const i of testRows) {
    if (choice[binOf(hidden[i])] === targets[i]) right++;
    if (majorityClass === targets[i]) majorityRight++;
  }
  return { accuracy: right / testRows.length, majority: majorityRight / testRows.length, rows: testRows.length };
}
