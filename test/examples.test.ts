import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { nativeAvailable } from '../src/native/index.js';

const root = join(import.meta.dirname, '..');

test.skipIf(!nativeAvailable())(
  'examples/regimes.mjs: experts specialise in market regimes',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'flashbook-examples-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const example = join(root, 'examples', 'regimes.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [example, '--out', 'plot.svg'], { cwd: folder });
    const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1]);
    expect(number(/^mixture.* ([\d.]+) %$/m), stdout).toBeGreaterThan(95);
    const [calm, stressed] = [number(/calm +experts take ([\d.]+) %/), number(/stressed +experts take ([\d.]+) %/)];
    expect(Math.abs(calm - stressed), stdout).toBeGreaterThan(80);
    expect(await readFile(join(folder, 'plot.svg'), 'utf8')).toMatch(/^<svg/);
  },
  120_000,
);
