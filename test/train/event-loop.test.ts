import { expect, test } from 'vitest';
import { train } from '../../src/train/index.js';
import { nativeTrains } from './devices.js';
import { shortRun, smallModel } from './fixture.js';

test.skipIf(!nativeTrains)('the event loop turns while native steps run', async () => {
  let turns = 0;
  let ended = false;
  const turn = () => {
    turns++;
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  // Steps of some milliseconds: were they run on this thread, the loop would turn a few times a step.
  const wide = smallModel({ dModel: 128, heads: 4, feedForward: 1024 });
  await train(wide, shortRun({ batch: 50, steps: 10, evaluateEvery: 100 }));
  ended = true;
  expect(turns).toBeGreaterThan(10 * 20);
});
