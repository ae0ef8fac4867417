import { fork } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readCheckpoint, train } from '../../src/train/index.js';
import { nativeTrains } from './devices.js';
import { bitsOf, shortRun, smallModel } from './fixture.js';
import { referenceDevice } from './reference-device.js';
import { temporaryFolder } from './temporary-folder.js';

const device = nativeTrains ? undefined : referenceDevice();
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Starts a run in another process and kills it without warning when it has announced `step`. */
function runAndKill(checkpoint: string, step: number): Promise<NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    const child = fork(here('./killed-run.ts'), [checkpoint], {
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
  expect(await runAndKill(checkpoint, 6)).toBe('SIGKILL');
  expect(existsSync(checkpoint), readdirSync(folder).join()).toBe(true);
  const saved = (await readCheckpoint<{ step: number }>(checkpoint))!;
  expect(saved.state.step).toBeGreaterThanOrEqual(4);
  expect(saved.state.step).toBeLessThan(15);
  const resumed = await train(smallModel(), shortRun({ device, checkpoint, resume: true }));
  expect(bitsOf(resumed.parameters)).toBe(bitsOf(whole.parameters));
  expect(resumed.history).toEqual(whole.history);
});
