import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildModel, MODEL_NAMES } from '../../src/models/index.js';
import type { RunMetrics } from '../../src/monitor/run-metrics.js';
import { layerParts, layerwiseRates } from '../../src/optim/index.js';
import { runConfig } from '../../src/pipeline/config.js';
import { runModel } from '../../src/pipeline/run-model.js';
import { optimizerOf, scheduleOf, trainOptionsOf } from '../../src/pipeline/train-stage.js';
import { readArtefact } from '../../src/predict/index.js';
import { flashbook, SMALL_RUN, temporaryFolder } from './command.js';

const folder = temporaryFolder();

describe('options of training on the command line', () => {
  test('extended features, mirror images and returns beside classes', async () => {
    const out = join(folder, 'rows');
    const flags = ['--features', 'extended', '--mirror', '--regression', 'quantiles'];
    const { code, stdout, stderr } = await flashbook([...['run', ...SMALL_RUN, '--out', out, '--json'], ...flags]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).predictors.length).toBeGreaterThan(0);
    const config = readFileSync(join(out, 'training.jsonl'), 'utf8').split('\n')[0];
    expect(config).toContain('"regression":{"weight":1,"delta":1}');

    for (const [name, backend] of [
      ['model.fbk', 'native'],
      ['model.int8.fbk', 'onnx'],
    ]) {
      const file = join(out, name);
      const csv = join(folder, `${backend}.csv`);
      const session = ['--events', '2500', '--every', '50', '--backend', backend, '--out', csv];
      const predicted = await flashbook(['predict', file, ...session]);
      expect(predicted.code, predicted.stderr).toBe(0);
      const [head, ...rows] = readFileSync(csv, 'utf8').trim().split('\n');
      const names = head.split(',');
      const own = ['return_5', ...[10, 25, 50, 75, 90].map((q) => `return_q${q}_5`)];
      expect(names.slice(names.indexOf('class_5') + 1, names.indexOf('p_down_20'))).toEqual(own);
      const values = rows.map((row) => row.split(',').slice(names.indexOf('return_5')).slice(0, 6).map(Number));
      expect(new Set(values.map(([location]) => location)).size).toBeGreaterThan(10);
      for (const each of values.flat()) expect(Math.abs(each)).toBeLessThan(0.01); // not in units of their deviation
    }
    const shown = await flashbook(['inspect', join(out, 'model.int8.fbk')]);
    expect(shown.stdout).toMatch(
      /returns +location and quantiles 0.1, 0.25, 0.5, 0.75, 0.9, in units of the return; learned in units of 5: /,
    );
  }, 120_000);

  test('static INT8: its scales are in the plan, and it predicts what float32 does', async () => {
    const out = join(folder, 'static');
    const { code, stdout, stderr } = await flashbook(['run', ...SMALL_RUN, '--out', out, '--json', '--int8', 'static']);
    expect(code, stderr).toBe(0);
    const artefact = await readArtefact(join(out, 'model.int8.fbk'));
    expect(artefact.manifest).toMatchObject({ precision: 'int8', activations: 'static' });
    const steps = artefact
      .plans()
      .get(1)!
      .steps.filter(({ kernel }) => kernel === 'qlinear_static');
    expect(steps.length).toBe(2); // those with at least 32 inputs: the embedding, and the contraction of the feed-forward
    for (const { attrs } of steps) expect(attrs.xScale).toBeGreaterThan(0);
    const { agreement } = JSON.parse(stdout) as RunMetrics;
    expect(agreement[1]).toMatchObject({ a: 'native float32', b: 'native INT8' });
    expect(agreement[1].maxLogitDifference).toBeGreaterThan(0);
    expect(agreement[1].maxLogitDifference).toBeLessThan(0.1);
    const { stdout: inspected } = await flashbook(['inspect', join(out, 'model.int8.fbk')]);
    expect(inspected).toMatch(/int8 with static activations/);
  }, 120_000);

  test('a run with all of them: configuration, log and event file say so', async () => {
    const { code, stderr } = await flashbook(
      [
        ...[
          'run',
          ...SMALL_RUN,
          '--steps',
          '6',
          '--evaluate-every',
          '3',
          '--out',
          'all',
          '--tensorboard',
          'tb',
          '--json',
        ],
        ...[
          '--optimizer',
          'lamb',
          '--centralise',
          '--lookahead',
          '2',
          '--ema',
          '0.9',
          '--sam',
          '0.05',
          '--clip-value',
          '1',
        ],
        ...[
          '--schedule',
          'cosineRestarts',
          '--cycles',
          '2',
          '--accumulate',
          '2',
          '--recompute',
          '2',
          '--drop-path',
          '0.1',
          '--attention-dropout',
          '0.1',
        ],
        ...[
          '--mixup',
          '0.2',
          '--cutmix',
          '1',
          '--focal-gamma',
          '2',
          '--class-weights',
          'balanced',
          '--learn-horizon-weights',
        ],
        ...['--augment', 'jitter,warpTime', '--curriculum', 'mastery'],
        ...['--warmup-steps', '2', '--min-learning-rate', '1e-5', '--label-smoothing', '0.05'],
        ...['--attention', 'multiScale', '--experts', '2'],
      ],
      { cwd: folder },
    );
    expect(stderr).not.toMatch(/error/);
    expect(code).toBe(0);
    const [start] = readFileSync(join(folder, 'all', 'training.jsonl'), 'utf8').split('\n');
    expect(JSON.parse(start).configuration).toMatchObject({
      optimizer: { optimizer: 'ema', inner: { optimizer: 'lookahead', inner: { optimizer: 'sam' } } },
      schedule: { schedule: 'cosineRestarts', cycles: 2, warmupSteps: 2, minLearningRate: 1e-5 },
      labelSmoothing: 0.05,
      ...{ accumulate: 2, mixup: 0.2, cutmix: 1, focalGamma: 2, classWeights: 'balanced', learnHorizonWeights: true },
      curriculum: { curriculum: 'byMastery' },
      augment: { 0: { augmentation: 'jitter' }, 1: { augmentation: 'warpTime' } },
    });
    const metrics = JSON.parse(readFileSync(join(folder, 'all', 'metrics.json'), 'utf8'));
    expect(metrics.model.description).toMatch(/attention multiScale, experts 2/);
    const [{ experts }] = metrics.training.history;
    expect(experts).toMatchObject([{ layer: 'encoder.0.feedForward', shares: [0.5, 0.5] }]); // two of two
    expect(readFileSync(join(folder, 'all', 'report.html'), 'utf8')).toMatch(/Use of the experts[\s\S]*<path/);
    expect(readdirSync(join(folder, 'tb'))).toEqual(['events.out.tfevents.0.flashbook']);
  }, 120_000);

  test('flashbook learning-rate sweeps and plots', async () => {
    const small = SMALL_RUN.slice(0, SMALL_RUN.indexOf('--latency-samples'));
    const { code, stdout, stderr } = await flashbook(
      ['learning-rate', ...small, '--steps', '20', '--optimizer', 'sgd', '--out', 'sweep.svg', '--json'],
      { cwd: folder },
    );
    expect(stderr).not.toMatch(/error/);
    expect(code).toBe(0);
    const sweep = JSON.parse(stdout);
    expect(sweep.rates[0]).toBeCloseTo(1e-7, 12);
    expect(sweep.suggestion).toBeGreaterThan(0);
    expect(readFileSync(join(folder, 'sweep.svg'), 'utf8')).toMatch(/^<svg/);
    const tcn = ['--model', 'tcnModel', '--layers', '2', '--width', '8', '--window', '20', '--events', '3000'];
    const other = await flashbook(['learning-rate', ...tcn, '--steps', '12', '--json'], { cwd: folder });
    expect(other.code, other.stderr).toBe(0);
  }, 60_000);

  test('a wrong name is refused with the right ones', async () => {
    expect((await flashbook(['run', '--optimizer', 'lam'])).stderr).toMatch(
      /Allowed choices are adamw, adam, lamb, sgd/,
    );
    expect((await flashbook(['run', '--augment', 'jiter'])).stderr).toMatch(/augment\.0.*did you mean 'jitter'/);
  });
});

test('the plain run is AdamW under a cosine with warm-up', () => {
  const config = runConfig({ steps: 100, swa: 0.75 });
  expect(scheduleOf(config).config).toMatchObject({ schedule: 'warmupCosine', warmupSteps: 5, totalSteps: 100 });
  expect(optimizerOf(config).config).toMatchObject({ optimizer: 'swa', start: 75, inner: { optimizer: 'adamw' } });
});

test('a schedule by its name in configuration files, rates by layer, fixed weights of horizons, experts of a step', () => {
  const config = runConfig({
    ...{ steps: 100, schedule: 'cosine_with_restarts' as never, cycles: 2, layerwiseRate: 0.5, layers: 2 },
    ...{ horizonWeights: [1, 0.5, 0], experts: 4, topExperts: 1 },
  });
  expect(config.schedule).toBe('cosineRestarts');
  expect(scheduleOf(config).config).toMatchObject({ schedule: 'cosineRestarts', cycles: 2 });
  const { groups } = optimizerOf(config).config as { groups: Record<string, { parameters: string; rate: number }> };
  expect(Object.values(groups).map(({ parameters, rate }) => [parameters, rate])).toEqual([
    ['^embedding(\\.|$)', 1 / 16],
    ['^encoder\\.0(\\.|$)', 1 / 8],
    ['^encoder\\.1(\\.|$)', 1 / 4],
    ['^norm(\\.|$)', 1 / 2],
    ['^heads(\\.|$)', 1],
  ]);
  expect(trainOptionsOf(config).horizonWeights).toEqual([1, 0.5, 0]);
  expect(runModel(config, 10).options).toMatchObject({ experts: 4, topExperts: 1 });
  expect(runModel(runConfig({ positions: 'rotaryInterleaved' }), 10).options).toMatchObject({
    positions: 'rotaryInterleaved',
  });
  expect(() => runConfig({ horizonWeights: [1, 1] })).toThrow(/3 numbers, one a horizon for horizonWeights/);
  expect(() => runConfig({ horizonWeights: [0, 0, 0] })).toThrow(/at least one weight above 0/);
  expect(() => runConfig({ topExperts: 1 })).toThrow(/experts with it for topExperts/);
  expect(() => runConfig({ schedule: 'cosine_restart' as never })).toThrow(/did you mean 'cosineRestarts'/);
});

test.each(MODEL_NAMES)('rates by layer of %s rise from the input to the heads, and every parameter has one', (name) => {
  const learned = buildModel(name, { features: 96 }).parameters();
  const names = learned.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
  const groups = layerwiseRates(layerParts(names), 0.9);
  expect(groups.at(-1)!.rate).toBe(1);
  const rates = names.map((own) => groups.find(({ parameters }) => new RegExp(parameters).test(own))!.rate!);
  for (let i = 1; i < rates.length; i++) expect(rates[i], names[i]).toBeGreaterThanOrEqual(rates[i - 1]);
});

test('the command line takes them', async () => {
  const flags = ['--schedule', 'cosine_with_restarts', '--cycles', '2', '--layerwise-rate', '0.8'];
  const weights = ['--horizon-weights', '1,0', '--experts', '3', '--top-experts', '1', '--steps', '4'];
  const { code, stderr } = await flashbook(['run', ...SMALL_RUN, ...flags, ...weights, '--out', 'weights', '--json'], {
    cwd: folder,
  });
  expect(code, stderr).toBe(0);
  const [start] = readFileSync(join(folder, 'weights', 'training.jsonl'), 'utf8').split('\n');
  expect(JSON.parse(start).configuration).toMatchObject({
    ...{ schedule: { schedule: 'cosineRestarts', cycles: 2 }, horizonWeights: [1, 0] },
    optimizer: { groups: { 0: { parameters: '^embedding(\\.|$)', rate: 0.8 ** 3 } } },
    model: { experts: 3, topExperts: 1 },
  });
  const misspelt = await flashbook(['run', '--schedule', 'cosin']);
  expect(misspelt.stderr).toMatch(/did you mean 'cosine'/);
}, 120_000);
