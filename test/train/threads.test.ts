import { afterAll, expect, test } from 'vitest';
import { runtimeInfo, setThreads } from '../../src/native/index.js';
import { type TrainResult, train } from '../../src/train/index.js';
import { nativeTrains } from './devices.js';
import { bitsOf, shortRun, smallModel } from './fixture.js';

const before = nativeTrains ? runtimeInfo().threads : 1;
afterAll(() => {
  if (nativeTrains) setThreads(before);
});

test.skipIf(!nativeTrains)('weights and history are the same to the bit for 1, 2 and 3 threads', async () => {
  // Wide enough that the kernels do split their work.
  const model = () => smallModel({ dModel: 64, heads: 4, feedForward: 256, layers: 2 });
  const results: TrainResult[] = [];
  for (const threads of [1, 2, 3]) {
    setThreads(threads);
    results.push(await train(model(), shortRun({ batch: 32, steps: 6 })));
  }
  for (const { parameters, history } of results.slice(1)) {
    expect(bitsOf(parameters)).toBe(bitsOf(results[0].parameters));
    expect(history).toEqual(results[0].history);
  }
});
