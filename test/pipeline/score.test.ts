import { describe, expect, it } from 'vitest';
import type { Labels } from '../../src/data/index.js';
import { agreement, scoreHorizons } from '../../src/pipeline/score.js';

describe('agreement', () => {
  it('is the largest and mean difference of logits, and the share of equal classes', () => {
    const a = { name: 'a', logits: Float32Array.of(1, 2, 3, 5, 4, 0) };
    const b = { name: 'b', logits: Float32Array.of(1, 2, 3.5, 3, 4, 0) };
    expect(agreement(a, b, 3, 2)).toEqual({
      a: 'a',
      b: 'b',
      rows: 2,
      maxLogitDifference: 2,
      meanLogitDifference: 2.5 / 6,
      sameClass: 0.5,
    });
    expect(agreement(a, a, 3, 2)).toMatchObject({ maxLogitDifference: 0, meanLogitDifference: 0, sameClass: 1 });
  });
});

describe('scoreHorizons', () => {
  it("takes each horizon's own logits and the classes of the given rows", () => {
    const labels: Labels[] = [
      { horizon: 5, base: 'mid', threshold: 0, change: new Float64Array(4), classes: Int32Array.of(0, 2, 0, 2) },
      { horizon: 9, base: 'mid', threshold: 0, change: new Float64Array(4), classes: Int32Array.of(2, 2, 2, 0) },
    ];
    // Rows 1 and 3; (rows, horizons, classes): horizon 5 is right twice, horizon 9 once.
    const logits = Float32Array.of(0, 0, 9, 0, 0, 9, 0, 0, 9, 0, 0, 9);
    const scores = scoreHorizons(logits, Int32Array.of(1, 3), labels, 3);
    expect(scores.map(({ horizon, accuracy }) => [horizon, accuracy])).toEqual([
      [5, 1],
      [9, 0.5],
    ]);
  });
});
