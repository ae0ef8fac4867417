import { countClasses, type Labels, type RowRange, sampleRows } from '../data/index.js';
import { reachableAccuracy } from '../market/index.js';
import { accuracy, macroF1, majorityClass, scoreLogits } from '../metrics/index.js';
import type { Agreement, HorizonMetrics, PredictionScore } from '../monitor/run-metrics.js';
import { lastMoves, type PreparedData } from './prepare.js';

/** Points of the coverage curve: every twentieth, and the tenth that tables quote. */
const COVERAGES = Array.from({ length: 20 }, (_, i) => (20 - i) / 20);

/**
 * One horizon's target before any model: threshold, class balance, and what the guesses without a model score on every
 * `stride`-th test row.
 */
export function horizonMetrics(data: PreparedData, label: Labels, stride = 1): HorizonMetrics {
  const { horizon, threshold, classes } = label;
  const rows = sampleRows(data.split.test, stride);
  const actual = rows.map((row) => classes[row]);
  const trained = classes.subarray(data.split.train.start, data.split.train.end);
  const majority = new Int32Array(rows.length).fill(majorityClass(trained));
  const lastMove = lastMoves(data, horizon, threshold, rows);
  const shares = (range: RowRange) => {
    const counts = countClasses(classes, range);
    const total = counts.reduce((a, b) => a + b, 0);
    return counts.map((n) => n / total);
  };
  const { train, validation, test } = data.split;
  return {
    horizon,
    name: `${horizon} events`,
    threshold,
    balance: { train: shares(train), validation: shares(validation), test: shares(test) },
    baselines: {
      majority: { accuracy: accuracy(majority, actual), macroF1: macroF1(majority, actual) },
      lastMove: { accuracy: accuracy(lastMove, actual), macroF1: macroF1(lastMove, actual) },
    },
    reachable:
      data.session.hidden === undefined
        ? undefined
        : reachableAccuracy(data.session.hidden, classes, {
            fit: [train.start, train.end],
            test: [test.start, test.end],
          }).accuracy,
  };
}

/** Scores the logits (rows, horizons, classes) of the test rows at every horizon. */
export function scoreHorizons(
  logits: Float32Array,
  rows: Int32Array,
  labels: readonly Labels[],
  classes: number,
): PredictionScore[] {
  const stride = labels.length * classes;
  return labels.map((label, h) => {
    const own = new Float32Array(rows.length * classes);
    for (let i = 0; i < rows.length; i++) {
      for (let c = 0; c < classes; c++) own[i * classes + c] = logits[i * stride + h * classes + c];
    }
    return scoreHorizon(own, rows, label);
  });
}

/** Scores the logits (rows, classes) of the test rows at one horizon. */
export function scoreHorizon(
  logits: Float32Array,
  rows: Int32Array,
  { horizon, classes, change }: Labels,
): PredictionScore {
  const score = scoreLogits(
    logits,
    Int32Array.from(rows, (row) => classes[row]),
    {
      classes: logits.length / rows.length,
      change: Float64Array.from(rows, (row) => change[row]),
      coverages: COVERAGES,
    },
  );
  return { horizon, ...score };
}

/** How far two predictors' logits (rows, horizons, classes) are apart. */
export function agreement(
  a: { name: string; logits: Float32Array },
  b: { name: string; logits: Float32Array },
  classes: number,
  rows: number,
): Agreement {
  let max = 0;
  let sum = 0;
  let same = 0;
  const pairs = a.logits.length / classes;
  for (let p = 0; p < pairs; p++) {
    let [bestA, bestB] = [0, 0];
    for (let c = 0; c < classes; c++) {
      const [x, y] = [a.logits[p * classes + c], b.logits[p * classes + c]];
      const difference = Math.abs(x - y);
      if (difference > max) max = difference;
      sum += difference;
      if (x > a.logits[p * classes + bestA]) bestA = c;
      if (y > b.logits[p * classes + bestB]) bestB = c;
    }
    if (bestA === bestB) same++;
  }
  return {
    a: a.name,
    b: b.name,
    rows,
    maxLogitDifference: max,
    meanLogitDifference: sum / a.logits.length,
    sameClass: same / pairs,
  };
}
