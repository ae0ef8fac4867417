// A run for another process to kill: killed-run.ts CHECKPOINT train | snapshots, a checkpoint after every second step.

import { train, trainSnapshots } from '../../src/train/index.js';
import { nativeTrains } from './devices.js';
import { SNAPSHOTS, shortRun, smallModel } from './fixture.js';
import { referenceDevice } from './reference-device.js';

const pause = new Int32Array(new SharedArrayBuffer(4));
const device = nativeTrains ? undefined : referenceDevice();
const [, , checkpoint, kind] = process.argv;
const options = shortRun({
  device,
  checkpoint,
  checkpointEverySteps: 2,
  onProgress: ({ phase, step }) => {
    if (phase !== 'train') return;
    // Announced while the step's checkpoint is still to be written; the pause gives the other process time to kill.
    process.send?.(step);
    Atomics.wait(pause, 0, 0, 50);
  },
});
if (kind === 'train') await train(smallModel(), options);
else await trainSnapshots(() => smallModel(), { ...options, ...SNAPSHOTS });
