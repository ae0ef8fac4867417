import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AblationResults } from '../../src/pipeline/ablation/study.js';
import { flashbook, temporaryFolder } from './command.js';

const folder = temporaryFolder();

/** Two variants of four steps each over a few thousand events. */
const study = (out: string, ...more: string[]) =>
  flashbook([
    ...['ablate', '--events', '3000', '--window', '20', '--horizons', '5,20', '--steps', '4'],
    ...['--filter', '^(base|mixup|4 snapshots)$', '--out', join(folder, out), ...more],
  ]);

test('compares variants over seeds with the baselines, and goes on with what is left', async () => {
  const first = await study('a', '--seeds', '1');
  expect(first.code, first.stderr).toBe(0);
  const { code, stdout, stderr } = await study('a', '--seeds', '1,2', '--json');
  expect(code, stderr).toBe(0);
  const results: AblationResults = JSON.parse(stdout);
  expect(results.runs.map(({ variant, seed }) => `${variant} ${seed}`)).toEqual([
    ...['base 1', 'mixup 1', '4 snapshots 1', 'base 2', 'mixup 2', '4 snapshots 2'],
  ]);
  for (const { scores } of results.runs) {
    expect(scores.map(({ horizon }) => horizon)).toEqual([5, 20]);
    for (const { accuracy, directional } of scores) {
      expect(accuracy).toBeGreaterThan(0);
      expect(directional).toHaveLength(2);
    }
  }
  const [base, , snapshots] = results.runs;
  expect(snapshots.parameters).toBe(4 * base.parameters);

  // Another folder, the same seeds: the same scores.
  const again = JSON.parse((await study('b', '--seeds', '1', '--json')).stdout) as AblationResults;
  expect(again.runs.map(({ scores }) => scores)).toEqual(results.runs.slice(0, 3).map(({ scores }) => scores));

  const markdown = readFileSync(join(folder, 'a', 'ablation.md'), 'utf8');
  expect(markdown).toMatch(/^\| base \| base \| [\d,]+ \| 2 \|.* ± .* %/m);
  expect(markdown).toContain('majority');
  expect(readFileSync(join(folder, 'a', 'ablation.svg'), 'utf8')).toMatch(/^<svg/);
});

test('refuses a folder that holds a study of another base', async () => {
  await study('c', '--seeds', '1', '--filter', '^base$');
  const { code, stderr } = await study('c', '--seeds', '1', '--filter', '^base$', '--steps', '5');
  expect(code).not.toBe(0);
  expect(stderr).toContain('holds a study of another base');
});

test('names the variants where none matches', async () => {
  const { code, stderr } = await study('d', '--filter', 'nosuch');
  expect(code).not.toBe(0);
  expect(stderr).toContain('gradient centralisation');
});
