import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { initialise } from '../../src/nn/index.js';
import { curriculumByCompetence, curriculumByMastery, curriculumBySteps, train } from '../../src/train/index.js';
import { fastestDevice } from './devices.js';
import { bitsOf, shortRun, smallModel } from './fixture.js';
import { temporaryFolder } from './temporary-folder.js';

const device = fastestDevice[1]();

test('by steps: each horizon joins at its step and rises', () => {
  const run = curriculumBySteps({ starts: [10, 20], ramp: 4 }).begin(3, 100);
  expect(run.weights(10)).toEqual([1, 0, 0]);
  expect(run.weights(12)).toEqual([1, 0.5, 0]);
  expect(run.weights(24)).toEqual([1, 1, 1]);
  expect(() => curriculumBySteps({ starts: [10, 5] })).toThrowError(/starts\[1\]/);
});

test('by competence: c(t) = √t/T at a start of 0, so that half of the horizons are there after a quarter', () => {
  const run = curriculumByCompetence({ totalSteps: 100, initial: 0 }).begin(4, 100);
  const joined = [1, 7, 25, 57, 100].map((t) => run.weights(t).filter((w) => w === 1).length);
  expect(joined).toEqual([1, 2, 3, 4, 4]);
});

test('by mastery: when accuracy is reached, or the loss no longer falls; what was saved goes on', () => {
  const run = curriculumByMastery({ accuracy: 0.8, patience: 2, share: 1 }).begin(3, 100);
  const see = (loss: number, accuracy: number) => {
    const horizon = { loss, accuracy, rows: 1 };
    run.observe([horizon, horizon, horizon], 1);
    return run.weights(1).filter((w) => w === 1).length;
  };
  expect([see(1, 0.5), see(0.9, 0.9)]).toEqual([1, 2]);
  expect([see(1, 0.5), see(1.1, 0.5)]).toEqual([2, 2]);
  const other = curriculumByMastery({ accuracy: 0.8, patience: 2, share: 1 }).begin(3, 100);
  other.restore(JSON.parse(JSON.stringify(run.snapshot())));
  expect(see(1.2, 0.5)).toBe(3);
  other.observe(
    [1, 1, 1].map(() => ({ loss: 1.2, accuracy: 0.5, rows: 1 })),
    1,
  );
  expect(other.weights(1)).toEqual([1, 1, 1]);
});

test('by mastery: a loss that falls to the end keeps no horizon out, whatever the budget and the evaluations', () => {
  for (const steps of [8, 600, 10_000]) {
    for (const every of [1, steps / 2, steps]) {
      const run = curriculumByMastery().begin(3, steps);
      const joined = [1, 0, 0];
      for (let step = 1; step <= steps; step++) {
        for (const [h, weight] of run.weights(step).entries()) if (weight === 1) joined[h] ||= step;
        if (step % every === 0)
          run.observe(
            [1, 1, 1].map(() => ({ loss: -step, accuracy: 0.4, rows: 1 })),
            step,
          );
      }
      // The second horizon after a quarter of the steps, the third after half of them.
      expect(joined, `${steps} steps`).toEqual([1, steps / 4 + 1, steps / 2 + 1]);
    }
  }
  // The stall of a horizon that joined by its time counts from there.
  const run = curriculumByMastery({ patience: 1 }).begin(3, 100);
  const see = (loss: number, step: number) =>
    run.observe(
      [0, loss, 0].map((l) => ({ loss: l, accuracy: 0, rows: 1 })),
      step,
    );
  see(5, 30);
  see(6, 35);
  expect(run.weights(36)).toEqual([1, 1, 1]);
  expect(curriculumByMastery().begin(1, 10).weights(1)).toEqual([1]);
});

describe('in training', () => {
  test('a horizon that has not joined is not learned', async () => {
    const { parameters } = await train(
      smallModel(),
      shortRun({
        device,
        steps: 5,
        evaluateEvery: 5,
        weightDecay: 0,
        curriculum: curriculumBySteps({ starts: [100] }),
      }),
    );
    const before = initialise(smallModel(), 5);
    const changed = (h: number) =>
      [...parameters].filter(
        ([name, v]) => name.startsWith(`heads.${h}.`) && v.some((w, i) => w !== before.get(name)![i]),
      );
    expect(changed(0).length).toBeGreaterThan(0);
    expect(changed(1)).toEqual([]);
  });

  test('by mastery every head has learned after a run that is too short for any stall', async () => {
    const curriculum = curriculumByMastery();
    const { parameters } = await train(
      smallModel(),
      shortRun({ device, steps: 4, evaluateEvery: 4, weightDecay: 0, curriculum }),
    );
    const before = initialise(smallModel(), 5);
    for (const name of ['heads.0.logits.bias', 'heads.1.logits.bias'])
      expect(parameters.get(name), name).not.toEqual(before.get(name));
  });

  test('with all horizons there from the start it is the plain run, within rounding', async () => {
    const plain = await train(smallModel(), shortRun({ device, steps: 5 }));
    const with1 = await train(
      smallModel(),
      shortRun({ device, steps: 5, curriculum: curriculumBySteps({ starts: [0] }) }),
    );
    for (const [i, { loss }] of plain.history.steps.entries()) expect(with1.history.steps[i].loss).toBeCloseTo(loss, 5);
  });

  test('a run that was stopped and resumed has the bits of one that was not', async () => {
    const options = { device, curriculum: curriculumByMastery({ patience: 1, share: 0.9 }), evaluateEvery: 2 };
    const whole = await train(smallModel(), shortRun(options));
    const checkpoint = join(temporaryFolder(), 'run.ckpt');
    const stop = new AbortController();
    const onProgress = ({ step }: { step: number }) => void (step === 9 && stop.abort());
    await expect(
      train(smallModel(), shortRun({ ...options, checkpoint, signal: stop.signal, onProgress })),
    ).rejects.toThrow();
    const resumed = await train(smallModel(), shortRun({ ...options, checkpoint, resume: true }));
    expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
    expect(resumed.history).toEqual(whole.history);
  });
});
