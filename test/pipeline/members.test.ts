import { expect, test } from 'vitest';
import { runConfig } from '../../src/pipeline/config.js';
import { memberConfigs, memberNames } from '../../src/pipeline/members.js';

test('a member is the run with its own model, changes and seed', () => {
  const config = runConfig({
    ...{ steps: 100, seed: 5, dropout: 0.3 },
    ensemble: [
      { model: 'tcnModel', width: 16, steps: 40, learningRate: 1e-7 },
      { model: 'rowMlp', dropout: 0 },
    ],
  });
  const [tcn, row] = memberConfigs(config);
  expect(tcn).toMatchObject({ model: 'tcnModel', width: 16, steps: 40, warmupSteps: 2, seed: 5, dropout: 0.3 });
  expect(tcn.minLearningRate).toBe(1e-7); // not above its rate
  expect(row).toMatchObject({ model: 'rowMlp', steps: 100, warmupSteps: 5, seed: 6, dropout: 0 });
  expect(row.ensemble).toBeUndefined();
  expect(memberConfigs(row)).toEqual([row]);
});

test('members of one preset have different names and seeds', () => {
  const ensemble = (['rowMlp', 'tcnModel', 'rowMlp'] as const).map((model) => ({ model }));
  const configs = memberConfigs(runConfig({ seed: 2 ** 32 - 1, ensemble }));
  expect(memberNames(configs)).toEqual(['rowMlp', 'tcnModel', 'rowMlp-2']);
  expect(configs.map(({ seed }) => seed)).toEqual([2 ** 32 - 1, 0, 1]);
});
