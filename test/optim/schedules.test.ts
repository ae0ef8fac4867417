import { describe, expect, test } from 'vitest';
import { constant, warmupCosine } from '../../src/optim/schedules.js';

describe('schedules', () => {
  test('constant', () => {
    const schedule = constant(0.01);
    expect([1, 7, 1e6].map((t) => schedule.at(t))).toEqual([0.01, 0.01, 0.01]);
  });

  test('warm-up rises in equal parts to the highest rate, then falls along a cosine to the lowest', () => {
    const schedule = warmupCosine({ learningRate: 1, warmupSteps: 4, totalSteps: 12, minLearningRate: 0.1 });
    expect([1, 2, 3, 4].map((t) => schedule.at(t))).toEqual([0.25, 0.5, 0.75, 1]);
    expect(schedule.at(8)).toBeCloseTo(0.55, 12); // half of the way: the middle of 1 and 0.1
    expect(schedule.at(6)).toBeCloseTo(0.1 + 0.45 * (1 + Math.SQRT1_2), 12); // cos(π/4)
    expect(schedule.at(12)).toBeCloseTo(0.1, 12);
    expect(schedule.at(1000)).toBeCloseTo(0.1, 12);
    for (let t = 5; t <= 12; t++) expect(schedule.at(t)).toBeLessThan(schedule.at(t - 1));
  });

  test('without warm-up the first step is already on the cosine; all warm-up never falls', () => {
    expect(warmupCosine({ learningRate: 2, totalSteps: 2 }).at(1)).toBeCloseTo(1, 12);
    const all = warmupCosine({ learningRate: 3, warmupSteps: 3, totalSteps: 3 });
    expect([1, 2, 3].map((t) => all.at(t))).toEqual([1, 2, 3]);
  });

  test('wrong numbers are named', () => {
    expect(() => warmupCosine({ learningRate: 1, warmupSteps: 5, totalSteps: 4 })).toThrowError(/warmupSteps/);
    expect(() => warmupCosine({ learningRate: 1, totalSteps: 4, minLearningRate: 2 })).toThrowError(/minLearningRate/);
    expect(() => warmupCosine({ learningRate: Number.NaN, totalSteps: 4 })).toThrowError(/learningRate/);
    expect(() => constant(-1)).toThrowError(/learningRate/);
  });
});
