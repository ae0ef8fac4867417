import { describe, expect, test } from 'vitest';
import {
  cosineRestarts,
  scheduleFrom,
  snapshotCycles,
  swaTail,
  triangular,
  warmupCosine,
} from '../../src/optim/index.js';

describe('cosine with restarts', () => {
  test('the configuration by its names in configuration files', () => {
    const schedule = scheduleFrom({
      schedule: 'cosine_with_restarts',
      warmup_steps: 1000,
      total_steps: 100_000,
      peak_lr: 5e-4,
      min_lr: 1e-6,
    });
    expect(schedule.config).toMatchObject({
      schedule: 'cosineRestarts',
      warmupSteps: 1000,
      totalSteps: 100_000,
      cycles: 4,
    });
    expect(schedule.at(1)).toBeCloseTo(5e-7, 15);
    expect(schedule.at(500)).toBeCloseTo(2.5e-4, 15);
    expect(schedule.at(1000)).toBe(5e-4);
    expect(schedule.at(100_000)).toBe(1e-6);
    expect(schedule.at(200_000)).toBe(1e-6);
    const length = 99_000 / 4;
    for (const cycle of [1, 2, 3]) {
      expect(schedule.at(1000 + cycle * length)).toBeCloseTo(5e-4, 12);
      expect(schedule.at(1000 + cycle * length - 1)).toBeLessThan(1.01e-6);
      expect(schedule.at(1000 + (cycle - 0.5) * length)).toBeCloseTo((5e-4 + 1e-6) / 2, 12);
    }
  });

  test('one cycle is warm-up and cosine; others lengthen and damp', () => {
    const options = { learningRate: 1, warmupSteps: 4, totalSteps: 34, minLearningRate: 0.1 };
    const one = cosineRestarts({ ...options, cycles: 1 });
    const plain = warmupCosine(options);
    for (let t = 1; t <= 40; t++) expect(one.at(t)).toBeCloseTo(plain.at(t), 14);
    const two = cosineRestarts({ ...options, cycles: 2, lengthen: 2, damp: 0.5 });
    expect(two.at(14)).toBeCloseTo(0.5, 14); // 30 steps in shares of 1 and 2
    expect(two.at(24)).toBeCloseTo(0.3, 14);
    expect(two.at(13)).toBeLessThan(0.15);
  });

  test('wrong options are named', () => {
    expect(() => scheduleFrom({ schedule: 'cosinRestarts' })).toThrowError(/did you mean 'cosineRestarts'/);
    expect(() => scheduleFrom({ schedule: 'cosine', learningRate: 1, totalStep: 3 })).toThrowError(
      /did you mean 'totalSteps'/,
    );
    expect(() => cosineRestarts({ learningRate: 1, totalSteps: 4, warmupSteps: 5 })).toThrowError(/warmupSteps/);
    expect(() => cosineRestarts({ learningRate: 1, totalSteps: 4, cycles: 0 })).toThrowError(/cycles/);
  });
});

test('snapshot cycles start at the full rate and end near 0, M times', () => {
  const schedule = snapshotCycles({ learningRate: 0.2, totalSteps: 300, cycles: 6 });
  for (const start of [1, 51, 101, 251]) expect(schedule.at(start)).toBeCloseTo(0.2, 15);
  expect(schedule.at(26)).toBeCloseTo(0.1, 15);
  expect(schedule.at(50)).toBeLessThan(0.2 * 0.001);
});

test('triangular cycles are lowest in the middle', () => {
  const schedule = triangular({ learningRate: 0.05, minLearningRate: 0.01, cycle: 4 });
  const rates = [1, 2, 3, 4, 5, 6].map((t) => schedule.at(t));
  for (const [i, want] of [0.03, 0.01, 0.03, 0.05, 0.03, 0.01].entries()) expect(rates[i]).toBeCloseTo(want, 14);
  expect(() => triangular({ learningRate: 1, minLearningRate: 0, cycle: 3 })).toThrowError(/even/);
});

test('the tail for averages goes over from any schedule to a constant rate', () => {
  const tail = swaTail(warmupCosine({ learningRate: 1, totalSteps: 100 }), {
    start: 50,
    learningRate: 0.2,
    annealSteps: 10,
  });
  expect(tail.at(50)).toBeCloseTo(0.5, 14);
  expect(tail.at(55)).toBeCloseTo(0.35, 14);
  expect([60, 100, 1000].map((t) => tail.at(t))).toEqual([0.2, 0.2, 0.2]);
});
