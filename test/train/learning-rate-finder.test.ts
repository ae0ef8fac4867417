import { expect, test } from 'vitest';
import { sgd } from '../../src/optim/index.js';
import { findLearningRate } from '../../src/train/index.js';
import { fastestDevice } from './devices.js';
import { learnableWindows, smallModel } from './fixture.js';

const device = fastestDevice[1]();
const windows = () => learnableWindows(200, 1);

test('the loss is flat at first, falls, and grows; the suggestion lies where it falls', async () => {
  const sweep = await findLearningRate(smallModel({ dModel: 16 }), {
    ...{ device, train: windows(), seed: 3, batch: 16, from: 1e-6, to: 30, steps: 120, diverged: 1.5 },
    optimizer: sgd({ clipNorm: 0 }),
  });
  expect(sweep.rates[0]).toBeCloseTo(1e-6, 12);
  expect(sweep.rates[40] / sweep.rates[39]).toBeCloseTo((30 / 1e-6) ** (1 / 119), 9);
  expect(sweep.losses).toHaveLength(sweep.rates.length);
  expect(sweep.losses.length).toBeLessThan(120); // it diverged
  const lowest = Math.min(...sweep.smoothed);
  const at = sweep.rates[sweep.smoothed.indexOf(lowest)];
  expect(lowest).toBeLessThan(0.97 * sweep.smoothed[20]);
  expect(sweep.suggestion).toBeLessThan(at);
  expect(sweep.suggestion).toBeGreaterThan(1e-5);
  expect(sweep.careful).toBeCloseTo(at / 10, 12);
});

test('the same seed sweeps the same; wrong options are named', async () => {
  const options = { device, train: windows(), seed: 3, batch: 16, steps: 12 };
  const model = () => smallModel();
  expect(await findLearningRate(model(), options)).toEqual(await findLearningRate(model(), options));
  await expect(findLearningRate(model(), { ...options, from: 2 })).rejects.toThrowError(/to/);
  await expect(findLearningRate(model(), { ...options, schedule: 1 } as never)).rejects.toThrowError(
    /no option 'schedule'/,
  );
});
