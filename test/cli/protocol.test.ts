import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PROTOCOL_MEMBERS } from '../../src/pipeline/protocol/recipe.js';
import type { ProtocolResults } from '../../src/pipeline/protocol/study.js';
import { flashbook, temporaryFolder } from './command.js';

const folder = temporaryFolder();

const study = (out: string, ...more: string[]) =>
  flashbook(['protocol', '--events', '4000', '--steps', '10', '--out', join(folder, out), '--json', ...more]);

test('scores the baseline, the best model and the ensemble, each beside the guesses, and repeats to the bit', async () => {
  const { code, stdout, stderr } = await study('a');
  expect(code, stderr).toBe(0);
  const results: ProtocolResults = JSON.parse(stdout);
  expect(results.tasks.map(({ label, horizon }) => `${label} ${horizon}`)).toEqual([
    ...['A 10', 'A 50', 'A 100', 'B 10', 'B 50', 'B 100'],
  ]);
  const { baseline, members, ensemble, weights, best } = results;
  expect(members.map(({ name }) => name)).toEqual(PROTOCOL_MEMBERS.map(({ name }) => name));
  const others = members.filter(({ name }) => name !== baseline);
  const lowest = others.reduce((a, b) => (b.validationLoss < a.validationLoss ? b : a));
  const linear = members.find(({ name }) => name === baseline)!;
  expect(best).toBe(lowest.name);
  expect(members.filter(({ test }) => test !== undefined).map(({ name }) => name)).toEqual([best, baseline]);
  for (const { validation, test } of [linear, lowest, ensemble]) {
    for (const { accuracy, directional } of [...validation, ...test!]) {
      expect(accuracy).toBeGreaterThan(0.2);
      expect(directional).toHaveLength(4);
    }
  }
  for (const list of weights) expect(list.reduce((a, b) => a + b)).toBeCloseTo(1, 6);

  // Around each border as many rows are left out as the label reaches over.
  for (const { horizon, rows, balance } of results.tasks) {
    expect(rows).toBe(800 - 2 * horizon);
    expect(balance.train.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
  }
  expect(readFileSync(join(folder, 'a', 'protocol.md'), 'utf8')).toMatch(/^\| {2}\| ensemble of \d+ \| [\d.]+ % \|/m);
  expect(readFileSync(join(folder, 'a', 'protocol.svg'), 'utf8')).toMatch(/^<svg/);

  // The same folder: everything is there already. Another: the same from the seed.
  const again = JSON.parse((await study('a')).stdout) as ProtocolResults;
  const fresh = JSON.parse((await study('b')).stdout) as ProtocolResults;
  for (const other of [again, fresh]) {
    expect(other.ensemble.test).toEqual(ensemble.test);
    expect(other.weights).toEqual(weights);
  }
}, 120_000);

test('leaves the test part alone where it is told to', async () => {
  const { code, stdout, stderr } = await study('c', '--no-test');
  expect(code, stderr).toBe(0);
  const { members, ensemble }: ProtocolResults = JSON.parse(stdout);
  expect([...members, ensemble].some(({ test }) => test !== undefined)).toBe(false);
  expect(readFileSync(join(folder, 'c', 'protocol.md'), 'utf8')).toContain('validation part');
}, 60_000);

test('refuses a folder that holds a study of other options', async () => {
  const { code, stderr } = await study('c', '--seed', '2');
  expect(code).not.toBe(0);
  expect(stderr).toContain('belongs to another configuration');
});
