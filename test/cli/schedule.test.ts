import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SCHEDULES } from '../../src/optim/index.js';
import { flashbook, temporaryFolder } from './command.js';

const folder = temporaryFolder();

describe('flashbook schedule', () => {
  test('shows a table and writes a plot', async () => {
    const out = join(folder, 'schedule.svg');
    const { code, stdout } = await flashbook([
      ...['schedule', 'cosine_with_restarts', '--warmup-steps', '1000', '--min-learning-rate', '1e-6', '--out', out],
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/cosineRestarts, 100000 steps/);
    expect(stdout).toMatch(/100000\s.*1\.0000e-6/);
    const svg = readFileSync(out, 'utf8');
    expect(svg).toMatch(/^<svg/);
    expect(svg).toContain('learning rate');
    expect(svg).toContain('cosineRestarts, 100000 steps');
  });

  test('prints numbers as JSON', async () => {
    const { stdout } = await flashbook([
      'schedule',
      'inverseSqrt',
      '--warmup-steps',
      '10',
      '--learning-rate',
      '1',
      '--points',
      '2',
      '--json',
    ]);
    expect(JSON.parse(stdout)).toEqual({
      config: { schedule: 'inverseSqrt', learningRate: 1, warmupSteps: 10 },
      rates: [
        { step: 1, rate: 0.1 },
        { step: 100_000, rate: 0.01 },
      ],
      out: null,
    });
  });

  test.each(Object.keys(SCHEDULES))('%s needs nothing but its name', async (name) => {
    const { code, stdout, stderr } = await flashbook(['schedule', name, '--json']);
    expect(code, stderr).toBe(0);
    const rates = JSON.parse(stdout).rates.map(({ rate }: { rate: number }) => rate);
    expect(new Set(rates).size > 1).toBe(name !== 'constant');
  });

  test('a schedule that looks at losses is shown for one that never falls', async () => {
    const plateau = ['schedule', 'reduceOnPlateau', '--total-steps', '100', '--patience', '1', '--points', '100'];
    const { stdout } = await flashbook([...plateau, '--evaluate-every', '10', '--json']);
    const { rates } = JSON.parse(stdout) as { rates: { step: number; rate: number }[] };
    // The first evaluation is the best, two more are borne not: after 30 steps, and every 20 from there.
    const falls = rates.filter(({ rate }, i) => i > 0 && rate < rates[i - 1].rate).map(({ step }) => step);
    expect(falls).toEqual([31, 51, 71, 91]);
    expect((await flashbook(['schedule', 'constant', '--evaluate-every', '3'])).stderr).toMatch(/for evaluateEvery/);
  });

  test('names the nearest schedule and option', async () => {
    expect((await flashbook(['schedule', 'cosin'])).stderr).toMatch(/did you mean 'cosine'/);
    expect((await flashbook(['schedule', 'constant', '--cycles', '3'])).stderr).toMatch(/no option 'cycles'/);
    expect(Object.keys(SCHEDULES)).toContain('cosineRestarts');
  });
});
