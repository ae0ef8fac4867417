import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Ensemble, equalWeights } from '../../src/models/index.js';
import { initialise } from '../../src/nn/index.js';
import { snapshotCycles } from '../../src/optim/index.js';
import { mixtureWeights } from '../../src/train/ensemble-weights.js';
import {
  evaluate,
  predictLogits,
  type TrainOptions,
  type TrainProgress,
  train,
  trainEnsemble,
  trainGeometric,
  trainSnapshots,
} from '../../src/train/index.js';
import { fastestDevice } from './devices.js';
import { bitsOf, learnableWindows, shortRun, smallModel } from './fixture.js';
import { temporaryFolder } from './temporary-folder.js';

const device = fastestDevice[1]();
const base = {
  device,
  train: learnableWindows(200, 1),
  validation: learnableWindows(120, 2),
  steps: 60,
  evaluateEvery: 20,
  batch: 16,
};

describe('mixtureWeights', () => {
  test('finds the maximum on the simplex: against a fine grid', () => {
    const a = Float64Array.from({ length: 50 }, (_, i) => 0.1 + 0.8 * Math.abs(Math.sin(i)));
    const b = Float64Array.from({ length: 50 }, (_, i) => 0.1 + 0.8 * Math.abs(Math.cos(i * 1.3)));
    const likelihood = (w: number) => a.reduce((sum, p, i) => sum + Math.log(w * p + (1 - w) * b[i]), 0);
    const grid = Array.from({ length: 10_001 }, (_, i) => i / 10_000);
    const best = grid.reduce((x, y) => (likelihood(y) > likelihood(x) ? y : x));
    const weights = mixtureWeights([a, b]);
    expect(weights[0]).toBeCloseTo(best, 3);
    expect(weights[0] + weights[1]).toBeCloseTo(1, 12);
  });

  test('a member that is always better takes all; equal members share', () => {
    const good = new Float64Array(20).fill(0.9);
    expect(mixtureWeights([good, new Float64Array(20).fill(0.3)])[0]).toBeGreaterThan(0.999);
    for (const w of mixtureWeights([good, good, good])) expect(w).toBeCloseTo(1 / 3, 9);
    expect(() => mixtureWeights([new Float64Array(0)])).toThrowError(/probabilities/);
  });
});

test('logits in bf16 are near those in float32, and not the same', async () => {
  const model = smallModel();
  const { parameters } = await train(model, shortRun({ ...base, steps: 3 }));
  const logits = async (precision: 'f32' | 'bf16') =>
    (await predictLogits(model, parameters, base.validation, { device, precision })).flatMap((head) => [...head]);
  const [exact, rounded] = [await logits('f32'), await logits('bf16')];
  const distance = Math.max(...exact.map((z, i) => Math.abs(z - rounded[i])));
  expect(distance).toBeGreaterThan(0);
  expect(distance).toBeLessThan(0.2);
  await expect(predictLogits(model, parameters, base.validation, { precision: 'f16' as never })).rejects.toThrow(
    /bf16/,
  );
});

test('the probabilities of an ensemble are the weighted means of its members', async () => {
  const models = [smallModel(), smallModel({ layers: 1 })];
  const parameters = await Promise.all(
    models.map(async (model) => (await train(model, shortRun({ ...base, steps: 3 }))).parameters),
  );
  const logits = await Promise.all(
    models.map((model, m) => predictLogits(model, parameters[m], base.validation, { device })),
  );
  const ensemble = new Ensemble(
    [smallModel(), smallModel({ layers: 1 })],
    [
      [0.3, 0.7],
      [1, 0],
    ],
  );
  const joined = new Map(
    parameters.flatMap((p, m) => [...p].map(([name, v]): [string, Float32Array] => [`members.${m}.${name}`, v])),
  );
  const got = await predictLogits(ensemble, joined, base.validation, { device });
  const probabilities = (z: Float32Array) => {
    const e = [...z].map(Math.exp);
    return e.map((v) => v / e.reduce((a, b) => a + b));
  };
  for (const [h, weights] of [
    [0.3, 0.7],
    [1, 0],
  ].entries()) {
    for (let row = 0; row < 120; row++) {
      const each = logits.map((heads) => probabilities(heads[h].subarray(3 * row, 3 * row + 3)));
      const p = probabilities(got[h].subarray(3 * row, 3 * row + 3));
      p.forEach((v, c) => {
        expect(v).toBeCloseTo(weights[0] * each[0][c] + weights[1] * each[1][c], 5);
        expect(Math.exp(got[h][3 * row + c])).toBeCloseTo(v, 5);
      });
    }
  }
});

test('learned weights make the validation loss no worse than that of the best member', async () => {
  const told: number[] = [];
  const { weights, members, ensemble, model, parameters, results } = await trainEnsemble(
    [
      { name: 'two layers', model: () => smallModel({ dropout: 0 }) },
      { name: 'one layer', model: () => smallModel({ layers: 1, dropout: 0 }), options: { learningRate: 0.02 } },
      { name: 'untrained', model: () => smallModel({ layers: 1 }), options: { steps: 1 } },
    ],
    { ...shortRun({ ...base, labelSmoothing: 0 }), onJoin: (fraction) => told.push(fraction) },
  );
  expect(results).toHaveLength(3);
  for (const [h, list] of weights.entries()) {
    expect(list.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
    const best = Math.min(...members.map(({ horizons }) => horizons[h].loss));
    expect(ensemble.horizons[h].loss).toBeLessThan(best + 1e-6);
  }
  const again = await evaluate(model, parameters, base.validation, { device, batch: 16 });
  expect(again).toEqual(ensemble);
  const alone = await evaluate(smallModel({ dropout: 0 }), results[0].parameters, base.validation, {
    device,
    batch: 16,
  });
  expect(members[0]).toEqual(alone);
  expect(told.at(-1)).toBe(1);
  expect([...told].sort((a, b) => a - b)).toEqual(told);
  expect(model.options).toMatchObject({ model: 'ensemble', steps: 5, features: 3, 'members.1.layers': 1 });
});

test('a snapshot ensemble has a member for each cycle, taken where the rate is lowest', async () => {
  const { model, members, weights, ensemble } = await trainSnapshots(() => smallModel({ dropout: 0 }), {
    ...shortRun({ ...base }),
    ...{ steps: 60, learningRate: 0.02, cycles: 3 },
  });
  expect(model.members).toHaveLength(3);
  expect(weights).toEqual(equalWeights(2, 3));
  const mean = members.reduce((sum, { loss }) => sum + loss, 0) / 3;
  // Of convex losses the mean of probabilities is no worse than the mean of the losses.
  expect(ensemble.loss).toBeLessThanOrEqual(mean + 1e-6);
  expect(new Set(members.map(({ loss }) => loss)).size).toBe(3);
});

test('a fast geometric ensemble goes on from trained weights', async () => {
  const { parameters } = await train(smallModel({ dropout: 0 }), shortRun(base));
  const options = {
    ...shortRun({ ...base }),
    ...{
      initial: parameters,
      steps: 24,
      cycle: 8,
      learningRate: 0.01,
      minLearningRate: 0.001,
      weighting: 'learned' as const,
    },
  };
  const first = await trainGeometric(() => smallModel({ dropout: 0 }), options);
  expect(first.members).toHaveLength(3);
  expect(first.ensemble.loss).toBeLessThan(1.5 * Math.min(...first.members.map(({ loss }) => loss)));
  const again = await trainGeometric(() => smallModel({ dropout: 0 }), options);
  expect(bitsOf(again.parameters)).toBe(bitsOf(first.parameters));
});

describe('an ensemble of cycles that is stopped and resumed', () => {
  const snapshots = (options: Partial<TrainOptions> = {}) =>
    trainSnapshots(() => smallModel(), {
      ...shortRun({ ...base, ...options }),
      ...{ steps: 24, learningRate: 0.02, cycles: 4 },
    });
  const geometric = (options: Partial<TrainOptions> = {}) =>
    trainGeometric(() => smallModel(), {
      ...shortRun({ ...base, ...options }),
      ...{ steps: 24, cycle: 8, learningRate: 0.01, minLearningRate: 0.001 },
      ...{ initial: initialise(smallModel(), 3), weighting: 'learned' as const },
    });

  test.each([
    { name: 'snapshots', run: snapshots, taken: [6, 12, 18, 24] },
    { name: 'fast geometric', run: geometric, taken: [4, 12, 20] },
  ])('$name: the bits of one that was not', async ({ run, taken }) => {
    const whole = await run();
    expect(whole.steps).toEqual(taken);
    const checkpoint = join(temporaryFolder(), 'run.ckpt');
    // Before the first member, at the step of one, after one, and when all but the joining is done.
    for (const stop of [3, taken[1], taken[1] + 1, 24]) {
      const controller = new AbortController();
      const onProgress = ({ phase, step }: TrainProgress) => {
        if (phase === 'train' && step === stop) controller.abort();
      };
      const part = run({ checkpoint, resume: true, signal: controller.signal, onProgress });
      await expect(part).rejects.toMatchObject({ code: 'ABORTED' });
    }
    const resumed = await run({ checkpoint, resume: true });
    expect(resumed.steps).toEqual(taken);
    expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
    expect(resumed.weights).toEqual(whole.weights);
    expect(resumed.result.history).toEqual(whole.result.history);
    expect(resumed.members).toEqual(whole.members);
  });

  test('a checkpoint without the members of its first part is refused', async () => {
    const checkpoint = join(temporaryFolder(), 'run.ckpt');
    const schedule = snapshotCycles({ learningRate: 0.02, totalSteps: 24, cycles: 4 });
    await train(smallModel(), { ...shortRun(base), steps: 24, learningRate: undefined, schedule, checkpoint });
    await expect(snapshots({ checkpoint, resume: true })).rejects.toThrowError(
      /expected the members of steps 6, 12, 18, 24 in the checkpoint .*run\.ckpt but found 0/,
    );
  });

  test('a run that ends before its first cycle has no members', async () => {
    const callbacks = [{ onStep: () => 'stop' }];
    await expect(snapshots({ callbacks })).rejects.toThrowError(/a cycle that is whole within 1 steps/);
  });
});

test('a member is trained once: a resumed ensemble takes it from its checkpoint', async () => {
  const members = ['a', 'b'].map((name, m) => ({ name, model: () => smallModel(), options: { seed: m } }));
  const files = { checkpoint: join(temporaryFolder(), 'run'), log: join(temporaryFolder(), 'log') };
  const whole = await trainEnsemble(members, shortRun({ ...base, steps: 8 }));
  const controller = new AbortController();
  let made = 0;
  const onProgress = ({ phase }: TrainProgress) => {
    if (phase === 'train' && ++made === 11) controller.abort();
  };
  const stopped = trainEnsemble(
    members,
    shortRun({ ...base, ...files, steps: 8, signal: controller.signal, onProgress }),
  );
  await expect(stopped).rejects.toMatchObject({ code: 'ABORTED', details: { step: 3 } });
  const steps: number[] = [];
  const resumed = await trainEnsemble(
    members,
    shortRun({
      ...base,
      ...{ ...files, steps: 8, resume: true },
      onProgress: ({ phase, step }) => void (phase === 'train' && steps.push(step)),
    }),
  );
  expect(steps).toEqual([4, 5, 6, 7, 8]);
  expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
  expect(resumed.weights).toEqual(whole.weights);
  for (const name of ['a', 'b']) expect(existsSync(`${files.log}.${name}`)).toBe(true);
  const equal = await trainEnsemble(members, { ...shortRun({ ...base, steps: 8 }), weighting: 'equal' });
  expect(equal.weights).toEqual(equalWeights(2, 2));
  await expect(trainEnsemble([members[0], members[0]], shortRun(base))).rejects.toThrowError(/different names/);
});

test('weights that are none are named', () => {
  const two = () => [smallModel(), smallModel()];
  expect(
    () =>
      new Ensemble(two(), [
        [0.5, 0.6],
        [1, 0],
      ]),
  ).toThrowError(/add up to 1 for weights\[0\]/);
  expect(() => new Ensemble(two(), [[1], [1, 0]])).toThrowError(/2 numbers, one a member for weights\[0\]/);
  expect(() => new Ensemble([smallModel(), smallModel({ steps: 6 })], equalWeights(2, 2))).toThrowError(
    /member 1 takes 6 × 3/,
  );
  expect(() => new Ensemble([], [])).toThrowError(/at least one model/);
});
