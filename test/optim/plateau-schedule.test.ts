import { expect, test } from 'vitest';
import { reduceOnPlateau } from '../../src/optim/index.js';

test('falls after more than `patience` evaluations without a better loss, as ReduceLROnPlateau', () => {
  const run = reduceOnPlateau({ learningRate: 1, factor: 0.5, patience: 1, threshold: 0.1 }).follow!();
  const rates = [10, 9.5, 8, 8, 8, 8, 8, Number.NaN].map((loss) => {
    run.observe(loss);
    return run.at(1);
  });
  // 9.5 is not below 10 · 0.9; 8 is. Two bad ones in a row are more than a patience of 1.
  expect(rates).toEqual([1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]);
});

test('a cooldown bears bad losses after a fall; the rate never is below the lowest; warm-up is on top', () => {
  const run = reduceOnPlateau({
    ...{ learningRate: 1, factor: 0.1, patience: 0, cooldown: 2, minLearningRate: 0.05, warmupSteps: 4 },
  }).follow!();
  const rates = [1, 1, 1, 1, 1, 1].map((loss) => {
    run.observe(loss);
    return run.at(100);
  });
  expect(rates).toEqual([1, 0.1, 0.1, 0.1, 0.05, 0.05]);
  expect(run.at(2)).toBeCloseTo(0.025, 15);
});

test('what was saved goes on as what was not; two runs of one schedule know nothing of each other', () => {
  const schedule = reduceOnPlateau({ learningRate: 1, patience: 1 });
  const first = schedule.follow!();
  for (const loss of [3, 4]) first.observe(loss);
  const second = schedule.follow!();
  second.restore(JSON.parse(JSON.stringify(first.snapshot())));
  for (const loss of [5, 2, 2, 2, 2]) {
    first.observe(loss);
    second.observe(loss);
    expect(second.at(1)).toBe(first.at(1));
  }
  expect(first.at(1)).toBeLessThan(1);
  expect(schedule.at(1)).toBe(1);
});
