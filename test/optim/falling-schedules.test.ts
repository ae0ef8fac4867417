import { describe, expect, test } from 'vitest';
import { constant, inverseSqrt, oneCycle, steps, warmupCosine } from '../../src/optim/index.js';

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

  test('steps fall by a factor: after every so many, or after those that are listed', () => {
    const every = steps({ learningRate: 1, every: 3, factor: 0.5 });
    expect([1, 2, 3, 4, 6, 7].map((t) => every.at(t))).toEqual([1, 1, 1, 0.5, 0.5, 0.25]);
    const listed = steps({ learningRate: 1, at: [2, 5], factor: 0.1 });
    expect([1, 2, 3, 5, 6].map((t) => listed.at(t))).toEqual([1, 1, 0.1, 0.1, 0.1 ** 2]);
    expect(() => steps({ learningRate: 1 })).toThrowError(/'every' or 'at'/);
    expect(() => steps({ learningRate: 1, at: [5, 5] })).toThrowError(/at\[1\]/);
  });

  test('inverse square root: linear to the top, a half after four times as many steps', () => {
    const schedule = inverseSqrt({ learningRate: 0.02, warmupSteps: 100 });
    expect([50, 100, 400, 10_000].map((t) => schedule.at(t))).toEqual([0.01, 0.02, 0.01, 0.002]);
  });

  // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.1, total_steps=10): its formula, with phases that end at 2 and 9.
  test('one cycle begins, peaks and ends where OneCycleLR does', () => {
    const schedule = oneCycle({ learningRate: 0.1, totalSteps: 10 });
    expect(schedule.at(1)).toBeCloseTo(0.004, 15);
    expect(schedule.at(2)).toBeCloseTo(0.052, 15);
    expect(schedule.at(3)).toBeCloseTo(0.1, 15);
    expect(schedule.at(10)).toBeCloseTo(4e-7, 15);
    const half = (0.1 + 4e-7) / 2 + ((0.1 - 4e-7) / 2) * Math.cos((Math.PI * 3) / 7);
    expect(schedule.at(6)).toBeCloseTo(half, 15);
    expect(schedule.at(99)).toBe(schedule.at(10));
  });
});
