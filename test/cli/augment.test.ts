import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { flashbook, temporaryFolder } from './command.js';

const folder = temporaryFolder();
const SMALL = ['--events', '3000', '--window', '20', '--levels', '3'];

test('flashbook augment plots a window and its changes', async () => {
  const { code, stdout } = await flashbook(['augment', ...SMALL, '--out', 'augment.svg', '--json'], { cwd: folder });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ augmentations: ['jitter', 'warpMagnitude', 'warpTime', 'sliceWindow'] });
  const svg = readFileSync(join(folder, 'augment.svg'), 'utf8');
  for (const text of ['Augmentation of ', 'grey as it is', 'jitter', 'warpTime']) expect(svg).toContain(text);
  const wrong = await flashbook(['augment', ...SMALL, '--out', 'x.svg', '--feature', 'nonsense'], { cwd: folder });
  expect(wrong.stderr).toMatch(/expected the name of a feature/);
  const beyond = await flashbook(['augment', ...SMALL, '--out', 'x.svg', '--index', '99999'], { cwd: folder });
  expect(beyond.stderr).toMatch(/for index but received 99999/);
}, 60_000);
