/** Options that change batches or the loss, in whole runs. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { jitter, sliceWindow, warpMagnitude, warpTime } from '../../src/data/index.js';
import { adamW, reduceOnPlateau, sam, sgd } from '../../src/optim/index.js';
import { type TrainOptions, train } from '../../src/train/index.js';
import { fastestDevice } from './devices.js';
import { bitsOf, learnableWindows, shortRun, smallModel } from './fixture.js';
import { temporaryFolder } from './temporary-folder.js';

const [, makeDevice] = fastestDevice;

const OPTIONS: [string, Partial<TrainOptions>][] = [
  ['augmentation', { augment: [jitter(), warpMagnitude(), warpTime(), sliceWindow({ probability: 0.5 })] }],
  ['mixup and CutMix', { mixup: 0.4, cutmix: 1 }],
  ['focal loss and balanced classes', { focalGamma: 2, classWeights: 'balanced' }],
  ['learned horizon weights', { learnHorizonWeights: true }],
  ['accumulation with SAM', { accumulate: 3, optimizer: sam(adamW()) }],
  ['clipping by value', { clipValue: 0.1 }],
  [
    'reduction on a plateau',
    { schedule: reduceOnPlateau({ learningRate: 0.05, patience: 0, factor: 0.5 }), evaluateEvery: 2 },
  ],
];

describe.each(OPTIONS)('%s', (_, options) => {
  const device = makeDevice();

  test('a run that was stopped and resumed has the bits of one that was not, and others than a plain one', async () => {
    const model = () => smallModel({ dropout: 0.1 });
    const whole = await train(model(), shortRun({ device, ...options }));
    const checkpoint = join(temporaryFolder(), 'run.ckpt');
    const stop = new AbortController();
    const onProgress = ({ step }: { step: number }) => void (step === 9 && stop.abort());
    await expect(
      train(model(), shortRun({ device, ...options, checkpoint, signal: stop.signal, onProgress })),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    const resumed = await train(model(), shortRun({ device, ...options, checkpoint, resume: true }));
    expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
    expect(resumed.history).toEqual(whole.history);
    const plain = await train(model(), shortRun({ device }));
    expect(bitsOf(plain.parameters)).not.toBe(bitsOf(whole.parameters));
    await expect(train(model(), shortRun({ device, checkpoint, resume: true }))).rejects.toMatchObject({
      code: 'OPTION',
    });
  });
});

test('the mean gradient of three batches of 4 is that of one batch of 12', async () => {
  const device = makeDevice();
  const windows = learnableWindows(12, 4);
  windows.targets[1].set(windows.targets[0]); // all labelled
  const options = {
    device,
    train: windows,
    validation: windows,
    optimizer: sgd({ momentum: 0, clipNorm: 0 }),
    steps: 1,
    evaluateEvery: 1,
  };
  const model = () => smallModel({ dropout: 0 });
  const parts = await train(model(), shortRun({ ...options, batch: 4, accumulate: 3 }));
  const whole = await train(model(), shortRun({ ...options, batch: 12 }));
  expect(parts.history.steps[0].loss).toBeCloseTo(whole.history.steps[0].loss, 5);
  expect(parts.history.steps[0].gradientNorm / whole.history.steps[0].gradientNorm).toBeCloseTo(1, 5);
  expect(parts.history.steps[0].accuracy).toEqual(whole.history.steps[0].accuracy);
  for (const [name, values] of parts.parameters) {
    values.forEach((v, i) => void expect(Math.abs(v - whole.parameters.get(name)![i]), name).toBeLessThan(1e-6));
  }
});

test('a horizon of noise is learned to count less than one that can be learned', async () => {
  const device = makeDevice();
  const windows = learnableWindows(64, 4);
  windows.targets[1].set(windows.targets[1].map((_, i) => (i * 7919) % 3));
  const { horizonWeights, parameters } = await train(smallModel({ dModel: 16, dropout: 0 }), {
    ...shortRun({
      device,
      train: windows,
      validation: windows,
      batch: 16,
      steps: 300,
      evaluateEvery: 50,
      labelSmoothing: 0,
    }),
    ...{ learnHorizonWeights: true, learningRate: 0.02 },
  });
  expect(horizonWeights![0]).toBeGreaterThan(1.2 * horizonWeights![1]);
  expect([...parameters.keys()].filter((name) => name.startsWith('loss.'))).toEqual([]);
});

test('callbacks see steps, evaluations and weights, and can end the run', async () => {
  const device = makeDevice();
  const seen: string[] = [];
  const { reason, steps, parameters } = await train(
    smallModel(),
    shortRun({
      device,
      callbacks: [
        {
          onStep: ({ step }) => void seen.push(`step ${step}`),
          onEvaluation({ step }, weights) {
            seen.push(`evaluation ${step} of ${weights().size} weights`);
            return step === 8 ? 'stop' : undefined;
          },
        },
      ],
    }),
  );
  expect([reason, steps]).toEqual(['callback', 8]);
  expect(seen.slice(3, 6)).toEqual(['step 4', `evaluation 4 of ${parameters.size} weights`, 'step 5']);
});

test('DropPath changes training, not evaluation', async () => {
  const device = makeDevice();
  const plain = await train(smallModel({ dropout: 0 }), shortRun({ device, steps: 2, evaluateEvery: 1 }));
  const dropped = await train(
    smallModel({ dropout: 0, dropPath: 0.5 }),
    shortRun({ device, steps: 2, evaluateEvery: 1 }),
  );
  expect(dropped.history.steps[0].loss).not.toBe(plain.history.steps[0].loss);
  expect(smallModel({ dropPath: 0.5 }).encoder.map(({ dropPath }) => dropPath.p)).toEqual([0.25, 0.5]);
});

test('dropout of attention weights changes training, not evaluation', async () => {
  const device = makeDevice();
  const run = shortRun({ device, steps: 2, evaluateEvery: 1 });
  const [plain, dropped] = await Promise.all(
    [0, 0.5].map((attentionDropout) => train(smallModel({ dropout: 0, attentionDropout }), run)),
  );
  expect(dropped.history.steps[0].loss).not.toBe(plain.history.steps[0].loss);
  const [a, b] = [0, 0.5].map((attentionDropout) => smallModel({ attentionDropout }));
  expect(a.parameters()).toEqual(b.parameters());
});

test('a run with dropout of attention weights that was stopped and resumed has the bits of one that was not', async () => {
  const device = makeDevice();
  const model = () => smallModel({ dropout: 0, attentionDropout: 0.3 });
  const whole = await train(model(), shortRun({ device }));
  const checkpoint = join(temporaryFolder(), 'run.ckpt');
  const stop = new AbortController();
  const onProgress = ({ step }: { step: number }) => void (step === 9 && stop.abort());
  await expect(train(model(), shortRun({ device, checkpoint, signal: stop.signal, onProgress }))).rejects.toMatchObject(
    { code: 'ABORTED' },
  );
  const resumed = await train(model(), shortRun({ device, checkpoint, resume: true }));
  expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
  expect(resumed.history).toEqual(whole.history);
});

test('recomputed activations give the same bits', async () => {
  const device = makeDevice();
  const model = () => smallModel({ layers: 4, dropout: 0.2, attentionDropout: 0.3, dropPath: 0.1 });
  const plain = await train(model(), shortRun({ device, steps: 6 }));
  for (const recompute of [true, 3]) {
    const again = await train(model(), shortRun({ device, steps: 6, recompute }));
    expect(bitsOf(again.parameters)).toBe(bitsOf(plain.parameters));
    expect(again.history).toEqual(plain.history);
  }
});
