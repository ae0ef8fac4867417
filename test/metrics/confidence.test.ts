import { describe, expect, it } from 'vitest';
import { coverageCurve, expectedCalibrationError, reliabilityBins } from '../../src/metrics/index.js';

// Four rows by falling confidence: right, wrong, right, wrong.
const probabilities = [0.9, 0.05, 0.05, 0.1, 0.1, 0.8, 0.1, 0.7, 0.2, 0.2, 0.2, 0.6];
const actual = [0, 1, 1, 0];
const change = [-2, 1, 0, 3];

describe('coverageCurve', () => {
  it('counts the most confident rows', () => {
    const curve = coverageCurve(probabilities, actual, { change, coverages: [1, 0.75, 0.5, 0.25] });
    expect(curve.map((point) => point.accuracy)).toEqual([2 / 4, 2 / 3, 1 / 2, 1]);
    expect(curve.map((point) => point.threshold)).toEqual([0.6, 0.7, 0.8, 0.9]);
    // |P(up) − P(down)|: 0.85, 0.7, 0.1, 0.4; signs −, +, +, +; the row of return 0 has no direction.
    expect(curve.map((point) => point.directional)).toEqual([3 / 3, 3 / 3, 2 / 2, 1]);
  });

  it('ranks direction by its own confidence', () => {
    // The surest row is sure of «flat»; the surest direction is the second row's, and it is wrong.
    const p = [0.01, 0.98, 0.01, 0.1, 0.1, 0.8];
    const [point] = coverageCurve(p, [1, 0], { change: [1, -1], coverages: [0.5] });
    expect([point.accuracy, point.directional]).toEqual([1, 0]);
  });

  it('leaves out rows without a class, and needs no returns', () => {
    const curve = coverageCurve(probabilities, [-1, 1, 1, 0], { coverages: [1] });
    expect(curve[0].accuracy).toBe(1 / 3);
    expect(curve[0].directional).toBeNaN();
    expect(coverageCurve([], [], { coverages: [1] })[0].accuracy).toBeNaN();
    expect(coverageCurve(probabilities, actual, { coverages: [0.01] })[0].accuracy).toBe(1);
  });

  it('refuses what does not fit', () => {
    expect(() => coverageCurve(probabilities, actual, { change: [1] })).toThrow(/4 returns/);
    expect(() => coverageCurve(probabilities, actual, { coverages: [0] })).toThrow(/coverage/);
    expect(() => coverageCurve(probabilities, [0])).toThrow(/1 rows of 3 classes/);
    expect(() => coverageCurve(probabilities, actual, { coverage: [1] } as never)).toThrow(/did you mean 'coverages'/);
  });
});

describe('calibration', () => {
  it('bins rows by confidence and weighs the gaps', () => {
    const bins = reliabilityBins(probabilities, actual, 5);
    // (0.4, 0.6]: row 4; (0.6, 0.8]: rows 2 and 3; (0.8, 1]: row 1.
    expect(bins).toEqual([
      { confidence: 0.6, accuracy: 0, count: 1 },
      { confidence: 0.75, accuracy: 0.5, count: 2 },
      { confidence: 0.9, accuracy: 1, count: 1 },
    ]);
    expect(expectedCalibrationError(bins)).toBeCloseTo((0.6 + 2 * 0.25 + 0.1) / 4, 15);
  });

  it('is 0 for a model that is right as often as it says', () => {
    const p = Array.from({ length: 10 }, () => [0.7, 0.2, 0.1]).flat();
    const bins = reliabilityBins(p, [0, 0, 0, 0, 0, 0, 0, 1, 1, 2]);
    expect(expectedCalibrationError(bins)).toBeCloseTo(0, 15);
    expect(expectedCalibrationError(reliabilityBins([], []))).toBeNaN();
    expect(reliabilityBins([1, 0, 0], [0], 10)).toEqual([{ confidence: 1, accuracy: 1, count: 1 }]);
  });
});
