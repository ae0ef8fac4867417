import { describe, expect, it } from 'vitest';
import {
  accuracy,
  brierScore,
  confusionMatrix,
  logLoss,
  macroF1,
  majorityClass,
  scoreLogits,
  softmaxRows,
  topClasses,
} from '../../src/metrics/index.js';

describe('accuracy', () => {
  it('is the share of right rows among those with a class', () => {
    expect(accuracy([0, 1, 2, 2], [0, 1, 1, -1])).toBe(2 / 3);
    expect(accuracy([], [])).toBeNaN();
    expect(accuracy([0], [-1])).toBeNaN();
    expect(() => accuracy([0], [0, 1])).toThrow(/2 classes, one a row/);
    expect(() => accuracy([3], [0])).toThrow(/predicted\[0\]/);
    expect(() => accuracy([0], [0.5])).toThrow(/actual\[0\]/);
  });
});

describe('confusionMatrix', () => {
  it('gives the example of scikit-learn', () => {
    expect(confusionMatrix([0, 0, 2, 2, 0, 2], [2, 0, 2, 2, 0, 1])).toEqual([
      [2, 0, 0],
      [0, 0, 1],
      [1, 0, 2],
    ]);
    expect(confusionMatrix([0, 1], [-1, 1], 2)).toEqual([
      [0, 0],
      [0, 1],
    ]);
  });
});

describe('macroF1', () => {
  it('gives the example of scikit-learn', () => {
    expect(macroF1([0, 2, 1, 0, 0, 1], [0, 1, 2, 0, 1, 2])).toBeCloseTo(0.26666666666666666, 15);
  });

  it('is the mean of F1 over the classes that occur', () => {
    // Class 0: TP 1, FP 1, FN 1 → 1/2; class 1: TP 2, FP 1, FN 1 → 2/3; class 2 does not occur.
    expect(macroF1([0, 0, 1, 1, 1], [0, 1, 1, 1, 0])).toBeCloseTo((1 / 2 + 2 / 3) / 2, 15);
    expect(macroF1([1, 1], [0, 0])).toBe(0);
    expect(macroF1([], [])).toBeNaN();
  });
});

describe('logLoss', () => {
  it('gives the example of scikit-learn', () => {
    expect(logLoss([0.1, 0.9, 0.9, 0.1, 0.8, 0.2, 0.35, 0.65], [1, 0, 0, 1], 2)).toBeCloseTo(0.21616, 5);
  });

  it('is log(classes) for equal probabilities, finite for a sure mistake', () => {
    expect(logLoss(new Array(6).fill(1 / 3), [0, 2])).toBeCloseTo(Math.log(3), 15);
    expect(logLoss([1, 0, 0], [2])).toBeCloseTo(34.538776, 5);
    expect(logLoss([1, 0, 0], [-1])).toBeNaN();
    expect(() => logLoss([1, 0], [0])).toThrow(/1 rows of 3 classes/);
    expect(() => logLoss([Number.NaN, 0, 0], [0])).toThrow(/row 0, class 0/);
  });
});

describe('brierScore', () => {
  it('is the mean squared distance from the truth', () => {
    // ((0.04 + 0.01 + 0.01) + (0.04 + 0.09 + 0.01) + (0.04 + 0.04 + 0.16))/3
    expect(brierScore([0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.2, 0.2, 0.6], [0, 1, 2])).toBeCloseTo(0.44 / 3, 15);
    expect(brierScore([1, 0, 0], [2])).toBe(2);
    expect(brierScore([1 / 3, 1 / 3, 1 / 3], [1])).toBeCloseTo(2 / 3, 15);
  });
});

describe('majorityClass', () => {
  it('is the most frequent, the lower of equals', () => {
    expect(majorityClass([2, 1, 2, -1, -1, -1])).toBe(2);
    expect(majorityClass([2, 1])).toBe(1);
    expect(() => majorityClass([-1])).toThrow(/none/);
  });
});

describe('softmaxRows and topClasses', () => {
  it('turn logits into probabilities and guesses', () => {
    const p = softmaxRows([0, Math.log(2), Math.log(5), 1000, 1000, -1000], 3);
    for (const [i, expected] of [1 / 8, 2 / 8, 5 / 8, 0.5, 0.5, 0].entries()) expect(p[i]).toBeCloseTo(expected, 14);
    expect([...topClasses(p, 3)]).toEqual([2, 0]);
    expect(() => softmaxRows([0, Number.NaN, 0], 3)).toThrow(/row 0, class 1/);
    expect(() => softmaxRows([0, 0], 3)).toThrow(/rows of 3 classes/);
  });
});

describe('scoreLogits', () => {
  it('says the same as the single metrics', () => {
    const logits = [3, 0, 0, 0, 2, 0, 0, 0, 1, 5, 0, 0, 9, 9, 9];
    const actual = [0, 1, 1, 2, -1];
    const p = softmaxRows(logits, 3);
    const score = scoreLogits(logits, actual, { change: [-1, 0, 0.1, 2, 0] });
    expect(score.accuracy).toBe(0.5);
    expect(score.macroF1).toBe(macroF1([0, 1, 2, 0], [0, 1, 1, 2]));
    expect(score.logLoss).toBe(logLoss(p, actual));
    expect(score.brier).toBe(brierScore(p, actual));
    expect(score.confusion).toEqual(confusionMatrix([0, 1, 2, 0, 0], actual));
    expect(score.coverage.map((point) => point.coverage)).toEqual([1, 0.5, 0.25, 0.1]);
    expect(score.calibration.reduce((rows, bin) => rows + bin.count, 0)).toBe(4);
  });
});
