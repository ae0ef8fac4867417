import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type RunConfigInput, runConfig, sameConfig } from '../../src/pipeline/config.js';
import { type RunOptions, runPipeline } from '../../src/pipeline/run.js';
import { runModel } from '../../src/pipeline/run-model.js';

describe('runConfig', () => {
  it('fills in defaults, and sizes that suit the data', () => {
    const [synthetic, real] = [runConfig(), runConfig({ data: 'day.zip' })];
    expect(synthetic).toMatchObject({ horizons: [10, 50, 100], label: 'mid', window: 100, model: 'pricePredictor' });
    expect(real.steps).toBeGreaterThan(synthetic.steps);
    expect(runConfig({ steps: 40 })).toMatchObject({ steps: 40, warmupSteps: 2, evaluateEvery: 4 });
    expect(runConfig(synthetic)).toEqual(synthetic);
  });

  it.each<[RunConfigInput, RegExp]>([
    [{ horizens: [10] } as never, /no option 'horizens'; did you mean 'horizons'/],
    [{ label: 'future' as never }, /one of .*mid.*past.* for label but received 'future'/],
    [{ window: 1 }, /for window but received 1/],
    [{ nesterov: true }, /optimizer 'sgd' with it for nesterov/],
    [{ adaptiveSam: true }, /a radius sam with it for adaptiveSam/],
    [{ augment: ['jiter' as never] }, /'warpTime', .* for augment\.0 but received 'jiter'.*did you mean 'jitter'/],
    [{ horizons: [] }, /for horizons/],
    [{ horizons: [10, 0.5] }, /for horizons\.1 but received 0\.5/],
    [{ horizons: [10, 10] }, /different numbers for horizons/],
    [{ dropout: Number.NaN }, /for dropout but received NaN/],
    [{ heads: 3 }, /a divisor of the width 128 for heads but received 3/],
    [{ attention: 'wide' as never }, /full.*multiScale/],
    [{ experts: -1 }, /for experts but received -1/],
    [{ model: 'lstmBaseline', experts: 4 }, /experts/],
    [{ ensemble: 'snapshot' as never }, /'geometric' or at least two models .*did you mean 'snapshots'/],
    [{ ensemble: [{ model: 'tcnModel' }] }, />=2 items for ensemble/],
    [{ ensemble: [{ model: 'tcnModl' as never }, { model: 'rowMlp' }] }, /did you mean 'tcnModel'/],
    [
      { ensemble: [{ model: 'tcnModel', widht: 32 } as never, { model: 'rowMlp' }] },
      /ensemble\.0 has no option 'widht'; did you mean 'width'/,
    ],
    [{ ensemble: [{ model: 'rowMlp' }, { model: 'tcnModel', width: 3 }] }, />=8 for ensemble\.1\.width but received 3/],
    [{ ensemble: [{ model: 'rowMlp' }, { model: 'tcnModel', heads: 2 }] }, /tcnModel has no option 'heads'/],
    [{ ensemble: 'snapshots', steps: 3, cycles: 4 }, /at most steps 3 for cycles but received 4/],
    [
      { ensemble: 'geometric', cycleMinLearningRate: 0.5 },
      /at most cycleLearningRate 0\.0001 for cycleMinLearningRate/,
    ],
    [{ ensemble: 'snapshots', cycleLearningRate: 0.1 }, /ensemble 'geometric' with it for cycleLearningRate/],
    [{ weighting: 'equal' }, /an ensemble with it for weighting/],
    [{ minLearningRate: 0.1 }, /at most learningRate 0\.0002 for minLearningRate/],
  ])('%o is refused', (input, message) => {
    expect(() => runConfig(input)).toThrow(expect.objectContaining({ code: 'OPTION' }));
    expect(() => runConfig(input)).toThrow(message);
  });

  it('names the first difference between a run and its resumption', () => {
    const config = runConfig({ seed: 1 });
    expect(() => sameConfig(config, { ...config }, 'runs/a')).not.toThrow();
    expect(() => sameConfig(config, { ...config, seed: 2 }, 'runs/a')).toThrow(
      /runs\/a was started with seed 1, now it is 2/,
    );
    expect(() => sameConfig(config, { ...config, data: 'day.zip' }, 'runs/a')).toThrow(/data unset, now it is "day/);
  });
});

describe('runModel', () => {
  it('tells DeepLOB how many levels the first columns are', () => {
    expect(runModel(runConfig({ model: 'deepLob', levels: 5 }), 64).options).toMatchObject({ levels: 5, features: 64 });
    expect(() => runModel(runConfig({ model: 'deepLob' }), 39)).toThrow(/at least 4 · levels = 40/);
  });
});

describe('runPipeline refuses, before it touches the folder,', () => {
  it.each<[string, RunConfigInput, Partial<RunOptions>, RegExp]>([
    ['a misspelt option', {}, { resumee: true } as never, /no option 'resumee'; did you mean 'resume'/],
    ['a wrong configuration', { batch: 0 }, {}, /for batch but received 0/],
    ['a number of threads that cannot be', {}, { threads: 0 }, /threads/],
  ])('%s', async (_, config, options, message) => {
    const folder = await mkdtemp(join(tmpdir(), 'flashbook-pipeline-'));
    await expect(runPipeline(config, { folder: join(folder, 'run'), ...options })).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });
});
