import { join } from 'node:path';
import { expect, test } from 'vitest';
import { trainProgressively } from '../../src/train/index.js';
import { fastestDevice } from './devices.js';
import { bitsOf, shortRun, smallModel } from './fixture.js';
import { temporaryFolder } from './temporary-folder.js';

const device = fastestDevice[1]();
const stages = () => [
  { model: smallModel({ layers: 1, dropout: 0, positions: 'rotary' }), options: { steps: 12 } },
  {
    model: smallModel({ layers: 2, dModel: 16, heads: 4, feedForward: 20, dropout: 0, positions: 'rotary' }),
    options: { steps: 6 },
  },
];

test('the loss does not jump where the model grows: the first stage ends where the second begins', async () => {
  const common = shortRun({ device, evaluateEvery: 1 });
  const {
    stages: results,
    parameters,
    seconds,
  } = await trainProgressively([stages()[0], { ...stages()[1], options: { steps: 6, learningRate: 0 } }], common);
  expect(results[1].history.evaluations[0].loss).toBeCloseTo(results[0].bestLoss, 4);
  expect(parameters.get('embedding.weight')).toHaveLength(16 * 3);
  expect(seconds).toBeCloseTo(results[0].seconds + results[1].seconds, 9);
});

test('stages resume from their own checkpoints to the same bits', async () => {
  const whole = await trainProgressively(stages(), shortRun({ device }));
  const checkpoint = join(temporaryFolder(), 'run.ckpt');
  const stop = new AbortController();
  let made = 0;
  const onProgress = ({ phase }: { phase: string }) => void (phase === 'train' && ++made === 15 && stop.abort());
  await expect(
    trainProgressively(stages(), shortRun({ device, checkpoint, signal: stop.signal, onProgress })),
  ).rejects.toMatchObject({ code: 'ABORTED' });
  const resumed = await trainProgressively(stages(), shortRun({ device, checkpoint, resume: true }));
  expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
});
