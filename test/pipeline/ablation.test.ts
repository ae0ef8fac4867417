import { describe, expect, test } from 'vitest';
import { tablesMarkdown } from '../../src/monitor/report/markdown.js';
import { ablationChart, ablationTables } from '../../src/pipeline/ablation/report.js';
import type { AblationResults, AblationRun } from '../../src/pipeline/ablation/study.js';
import { ABLATION_BASE, VARIANTS, variantConfig } from '../../src/pipeline/ablation/variants.js';
import { runConfig } from '../../src/pipeline/config.js';
import { runModel } from '../../src/pipeline/run-model.js';

describe('variants', () => {
  test('have names of their own and configurations that are models', () => {
    expect(new Set(VARIANTS.map(({ name }) => name)).size).toBe(VARIANTS.length);
    for (const variant of VARIANTS) {
      const config = variantConfig(variant, ABLATION_BASE);
      expect(config.steps, variant.name).toBe(Math.ceil((variant.share ?? 1) * ABLATION_BASE.steps!));
      if (config.model !== 'deepLob') runModel(config, 89);
    }
  });

  test('each differ from the base', () => {
    const base = JSON.stringify(runConfig(ABLATION_BASE));
    for (const variant of VARIANTS.slice(1)) {
      const same = JSON.stringify(variantConfig(variant, ABLATION_BASE)) === base;
      expect(same && variant.train === undefined, variant.name).toBe(false);
    }
  });
});

describe('report', () => {
  const run = (variant: string, seed: number, accuracy: number): AblationRun => ({
    ...{ variant, seed, parameters: 10, steps: 4, seconds: 2 },
    scores: [
      {
        ...{ horizon: 5, accuracy, macroF1: accuracy, directional: [accuracy, accuracy] },
      } as AblationRun['scores'][number],
    ],
  });
  const results = {
    ...{ version: 2, source: 'a session', label: 'A label.', base: runConfig(ABLATION_BASE), threads: 1 },
    horizons: [
      {
        ...{ horizon: 5, name: '5 events', threshold: 0 },
        balance: { train: [0.3, 0.4, 0.3], validation: [0.3, 0.4, 0.3], test: [0.3, 0.4, 0.3] },
        baselines: { majority: { accuracy: 0.4, macroF1: 0.2 }, lastMove: { accuracy: 0.45, macroF1: 0.4 } },
      },
    ],
    runs: [
      ...[0.5, 0.51, 0.52].map((accuracy, seed) => run('base', seed, accuracy)),
      ...[0.56, 0.57, 0.58].map((accuracy, seed) => run('mixup', seed, accuracy)),
      ...[0.5, 0.52, 0.54].map((accuracy, seed) => run('CutMix', seed, accuracy)),
    ],
  } as unknown as AblationResults;

  test('tells the change against the base with its standard error, and marks what is beyond three', () => {
    const [{ head, rows, note }] = ablationTables(results);
    const column = head.indexOf('change of accuracy');
    // Variances 1, 1 and 4 points²: the median is 1, and 1/(1 − 1/9)³ = 1.42 is what it stands for. √(1.42/3 + 1.42/3), √(4/3 + 1.42/3).
    expect(rows.map((cells) => cells[column])).toEqual(['', '+6.0 ± 1.0 ▲', '+1.0 ± 1.3']);
    expect(rows[0][head.indexOf('accuracy')]).toBe('51.0 ± 1.0 %');
    expect(note).toContain('majority 40.0 % (macro-F1 20.0 %), last move 45.0 % (40.0 %)');
    expect(note).toContain('on one thread');
  });

  test('has no change without the base or with one seed', () => {
    const without = { ...results, runs: results.runs.filter(({ variant }) => variant !== 'base') };
    const cells = ablationTables(without)[0].rows.map((row) => row.at(-1));
    expect(cells).toEqual(['', '']);
    const single = { ...results, runs: results.runs.filter(({ seed }) => seed === 0) };
    expect(tablesMarkdown(ablationTables(single))).toMatch(
      /\| mixup \| 10 \| 1 \| 2\.0 \| 56\.0 % \| 56\.0 % \|.*\| \+6\.0 \|/,
    );
  });

  test('draws a panel a horizon', () => {
    const { spec } = ablationChart(results);
    const { values } = (spec as { data: { values: { row: string; change: number; low: number }[] } }).data;
    expect(values.map(({ row }) => row)).toEqual(['base: base', 'regularisation: mixup', 'regularisation: CutMix']);
    expect(values[1].change).toBeCloseTo(6, 10);
    expect(values[1].low).toBeCloseTo(6 - 2 * Math.sqrt((2 / 3) * (9 / 8) ** 3), 10);
  });
});
