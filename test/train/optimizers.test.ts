/** Every optimiser in the trainer: it learns, and a run that was cut goes on to the same bits. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  adam,
  adamW,
  centralised,
  clippedByValue,
  ema,
  lamb,
  lookahead,
  type Optimizer,
  sam,
  sgd,
  swa,
} from '../../src/optim/index.js';
import { evaluate, readCheckpoint, train } from '../../src/train/index.js';
import { fastestDevice } from './devices.js';
import { bitsOf, learnableWindows, shortRun, smallModel } from './fixture.js';
import { temporaryFolder } from './temporary-folder.js';

const [, makeDevice] = fastestDevice;

const OPTIMIZERS: [string, Optimizer][] = [
  ['SGD with Nesterov momentum', sgd({ nesterov: true })],
  ['Adam', adam()],
  ['LAMB', lamb()],
  ['Lookahead over LAMB with centralisation', lookahead(centralised(lamb()), { steps: 4 })],
  ['SAM', sam(adamW())],
  ['ASAM', sam(adamW(), { adaptive: true, rho: 0.2 })],
  ['clipping by value', clippedByValue(adamW(), { limit: 0.01 })],
  ['EMA', ema(adamW(), { decay: 0.9 })],
  ['SWA', swa(sgd(), { start: 6, every: 2 })],
  ['EMA around Lookahead', ema(lookahead(adamW()))],
];

describe.each(OPTIMIZERS)('%s', (_, optimizer) => {
  const device = makeDevice();
  const options = { device, optimizer, steps: 15, learningRate: 0.05 };

  test('a run that was stopped and resumed has the bits of one that was not', async () => {
    const whole = await train(smallModel(), shortRun({ ...options }));
    const checkpoint = join(temporaryFolder(), 'run.ckpt');
    const stop = new AbortController();
    const stopped = train(
      smallModel(),
      shortRun({
        ...options,
        checkpoint,
        signal: stop.signal,
        onProgress: ({ step }) => void (step === 9 && stop.abort()),
      }),
    );
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    const resumed = await train(smallModel(), shortRun({ ...options, checkpoint, resume: true }));
    expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
    expect(resumed.history).toEqual(whole.history);
  });

  test('learns a batch', async () => {
    const one = learnableWindows(8, 3);
    const { history, bestLoss } = await train(smallModel({ dModel: 16, dropout: 0 }), {
      ...shortRun({ device, train: one, validation: one, optimizer, labelSmoothing: 0 }),
      ...{ steps: 60, evaluateEvery: 20, learningRate: 0.03, warmupSteps: 5 },
    });
    expect(bestLoss).toBeLessThan(0.6 * history.steps[0].loss);
  });
});

test('an average is what is evaluated and kept', async () => {
  const device = makeDevice();
  const checkpoint = join(temporaryFolder(), 'run.ckpt');
  const options = shortRun({
    device,
    optimizer: ema(adamW(), { decay: 0.99 }),
    steps: 12,
    evaluateEvery: 12,
    checkpoint,
  });
  const { parameters, bestStep, bestLoss } = await train(smallModel(), options);
  expect(bestStep).toBe(12);
  const saved = (await readCheckpoint(checkpoint))!.tensors;
  for (const [name, values] of parameters) {
    expect(values, name).toEqual(saved.get(`state/ema/${name}`)!.data);
    expect(values, name).not.toEqual(saved.get(`state/${name}`)!.data);
  }
  const measured = await evaluate(smallModel(), parameters, options.validation, {
    device,
    batch: 8,
    labelSmoothing: 0.1,
  });
  expect(measured.loss).toBe(bestLoss);
});

test('a checkpoint of another optimiser is refused by name', async () => {
  const device = makeDevice();
  const checkpoint = join(temporaryFolder(), 'run.ckpt');
  await train(smallModel(), shortRun({ device, steps: 2, optimizer: lookahead(adamW()), checkpoint }));
  await expect(
    train(
      smallModel(),
      shortRun({ device, steps: 2, optimizer: lookahead(adamW(), { alpha: 0.8 }), checkpoint, resume: true }),
    ),
  ).rejects.toThrowError(/optimizer\.alpha was 0\.5 and is now 0\.8/);
});
