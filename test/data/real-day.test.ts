import { beforeAll, describe, expect, it } from 'vitest';
import { rebuildBook } from '../../src/book/index.js';
import { type LabelBase, lastMoveGuess, makeLabels, midPrices, walkForwardSplit } from '../../src/data/index.js';
import { readLobster } from '../../src/market/index.js';
import { accuracy, majorityClass } from '../../src/metrics/index.js';
import { GOOG_ZIP } from '../data.js';

/**
 * The guesses that need no model, on GOOG 2012-06-21 (60/20/20 in event time, k rows purged at each border, thresholds at the
 * tercile of |r| on train): base, horizon, accuracy in per cent of the majority, of the sign of the last k-event return
 * (threshold 0), and of that return by the label's own threshold. The first two are those of an independent implementation,
 * which differs in a few rows at the borders: they are met to 0.1.
 */
const GUESSES: [LabelBase, number, number, number, number][] = [
  ['mid', 10, 36.3, 40.1, 40.1],
  ['mid', 50, 36.0, 41.3, 41.2],
  ['mid', 100, 37.2, 42.5, 41.8],
  ['past', 10, 37.8, 60.9, 60.9],
  ['past', 50, 37.7, 59.1, 60.7],
  ['past', 100, 39.6, 60.1, 61.7],
];

describe.skipIf(GOOG_ZIP === undefined)('labels and baselines of a real day', () => {
  let mid: Float64Array;
  beforeAll(async () => {
    mid = midPrices(rebuildBook(await readLobster(GOOG_ZIP!)).snapshots);
  });

  it.each(GUESSES)("base '%s', horizon %i: %f, %f and %f %%", (base, horizon, majority, lastSign, lastMove) => {
    // k rows purged on both sides of a border, as in the published protocol.
    const split = walkForwardSplit(mid.length, { purge: horizon, embargo: horizon });
    const start = base === 'past' ? horizon - 1 : 0;
    const train = { start, end: split.train.end };
    const [{ threshold, classes }] = makeLabels(mid, { horizons: [horizon], base, train });
    const test = (values: Int32Array) => values.subarray(split.test.start, split.test.end);
    const perCent = (guess: Int32Array) => 100 * accuracy(test(guess), test(classes));
    const common = majorityClass(classes.subarray(train.start, train.end));
    expect(Math.abs(perCent(classes.slice().fill(common)) - majority)).toBeLessThan(0.06);
    expect(Math.abs(perCent(lastMoveGuess(mid, { horizon, threshold: 0 })) - lastSign)).toBeLessThan(0.1);
    expect(Math.abs(perCent(lastMoveGuess(mid, { horizon, threshold })) - lastMove)).toBeLessThan(0.06);
  });
});
