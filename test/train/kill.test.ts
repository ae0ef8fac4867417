import { fork } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readCheckpoint, type TrainOptions, train, trainSnapshots } from '../../src/train/index.js';
import { nativeTrains } from './devices.js';
import { bitsOf, SNAPSHOTS, shortRun, smallModel } from './fixture.js';
import { referenceDevice } from './reference-device.js';
import { temporaryFolder } from './temporary-folder.js';

const device = nativeTrains ? undefined : referenceDevice();
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Starts a run in another process and kills it without warning when it has announced `step`. */
function runAndKill(kind: 'train' | 'snapshots', checkpoint: string, step: number): Promise<NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    const child = fork(here('./killed-run.ts'), [checkpoint, kind], {
      execArgv: ['--import', here('../typescript-hooks.mjs')],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.on('message', (made) => {
      if (made === step) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('exit', (_, signal) => resolve(signal));
  });
}

test('a killed process leaves a whole checkpoint, and going on from it gives the bits of a run that was not killed', async () => {
  const whole = await train(smallModel(), shortRun({ device }));
  const folder = temporaryFolder();
  const checkpoint = join(folder, 'run.ckpt');
  // Step 6 is announced just before its checkpoint is written.
  expect(await runAndKill('train', checkpoint, 6)).toBe('SIGKILL');
  expect(existsSync(checkpoint), readdirSync(folder).join()).toBe(true);
  const saved = (await readCheckpoint<{ step: number }>(checkpoint))!;
  expect(saved.state.step).toBeGreaterThanOrEqual(4);
  expect(saved.state.step).toBeLessThan(15);
  const resumed = await train(smallModel(), shortRun({ device, checkpoint, resume: true }));
  expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
  expect(resumed.history).toEqual(whole.history);
});

test('a snapshot ensemble that is killed goes on with the members that it had', async () => {
  const ensemble = (options: Partial<TrainOptions> = {}) =>
    trainSnapshots(() => smallModel(), { ...shortRun({ device, ...options }), ...SNAPSHOTS });
  const whole = await ensemble();
  const checkpoint = join(temporaryFolder(), 'run.ckpt');
  expect(await runAndKill('snapshots', checkpoint, 8)).toBe('SIGKILL');
  const saved = (await readCheckpoint<{ step: number }>(checkpoint))!;
  expect(saved.state.step).toBeGreaterThanOrEqual(6);
  expect(saved.state.step).toBeLessThan(10);
  // The member of step 5 lies in the checkpoint beside the state of a later step.
  expect([...saved.tensors.keys()].some((name) => name.startsWith('callback/0/members.0.'))).toBe(true);
  const resumed = await ensemble({ checkpoint, resume: true });
  expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
  expect(resumed.result.history).toEqual(whole.result.history);
});
