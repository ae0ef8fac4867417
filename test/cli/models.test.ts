import { expect, test } from 'vitest';
import { MODEL_NAMES } from '../../src/models/index.js';
import { flashbook } from './command.js';

test('models lists every preset with its parameters', async () => {
  const { stdout, code } = await flashbook(['models', '--json']);
  expect(code).toBe(0);
  const { models } = JSON.parse(stdout);
  expect(models.map(({ name }: { name: string }) => name)).toEqual([...MODEL_NAMES]);
  expect(models[0].parameters).toBe(1_022_601);
});

test('models that take no rows so narrow are told apart; where none does, the size is refused', async () => {
  const { models } = JSON.parse((await flashbook(['models', '--features', '20', '--json'])).stdout);
  const without = models.filter(({ parameters }: { parameters: number | null }) => parameters === null);
  expect(without.map(({ name }: { name: string }) => name)).toEqual(['deepLob']);
  const { code, stderr } = await flashbook(['models', '--features', '0']);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/for features but received 0/)]);
});

test('run refuses a model that is not there, and a size that the model has no meaning for', async () => {
  expect((await flashbook(['run', '--model', 'transformer'])).stderr).toMatch(/Allowed choices are pricePredictor/);
  expect((await flashbook(['run', '--model', 'deepLob', '--heads', '4', '--out', 'x'])).stderr).toMatch(
    /deepLob has no option 'heads'/,
  );
});
