import { mean, sampleStandardDeviation } from 'simple-statistics';
import { type Chart, chart } from '../../monitor/report/charts.js';
import { balance, count, percent } from '../../monitor/report/format.js';
import type { Table } from '../../monitor/report/tables.js';
import { ABLATION_COVERAGES, type AblationResults, type AblationRun } from './study.js';
import { VARIANTS } from './variants.js';

interface Moments {
  mean: number;
  /** Of one run, with n − 1; NaN for one run. */
  deviation: number;
}

/** Runs of one variant over its seeds. */
interface Summary {
  variant: string;
  group: string;
  runs: AblationRun[];
}

/** One table a horizon, the variants in the order of the list. */
export function ablationTables(results: AblationResults): Table[] {
  const { base, label } = results;
  return results.horizons.map(({ name, balance: shares, baselines }, h) => ({
    title: `${name} ahead`,
    note:
      `${label} Mean ± standard deviation over seeds, on the test part, each run scored once. Every variant makes ` +
      `${base.steps} steps of ${base.batch} windows of ${base.window} rows. Test down / flat / up ${balance(shares.test)}; majority ` +
      `${percent(baselines.majority.accuracy)}, last move ${percent(baselines.lastMove.accuracy)}.`,
    head: ['group', 'variant', 'parameters', 'seeds', 'seconds', 'accuracy', 'macro-F1', ...directionHeads()],
    rows: summaries(results).map(({ variant, group, runs }, i, all) => [
      group === all[i - 1]?.group ? '' : group,
      variant,
      count(runs[0].parameters),
      String(runs.length),
      moments(runs.map((run) => run.seconds)).mean.toFixed(1),
      spread(moments(runs.map((run) => run.scores[h].accuracy))),
      spread(moments(runs.map((run) => run.scores[h].macroF1))),
      ...ABLATION_COVERAGES.map((_, c) => spread(moments(runs.map((run) => run.scores[h].directional[c])))),
    ]),
  }));
}

/** The same tables as Markdown. */
export function ablationMarkdown(results: AblationResults): string {
  const parts = ablationTables(results).map(({ title, note, head, rows }) => {
    const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
    return [`## ${title}`, '', note, '', line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
  });
  return parts.join('\n');
}

/** Accuracy of every variant at one horizon: a point for the mean, a bar of one standard deviation to each side. */
export function ablationChart(results: AblationResults, horizon: number): Chart {
  const all = summaries(results).map(({ variant, group, runs }) => {
    const { mean: accuracy, deviation } = moments(runs.map((run) => run.scores[horizon].accuracy));
    const half = Number.isFinite(deviation) ? deviation : 0;
    return { variant, group, accuracy, low: accuracy - half, high: accuracy + half };
  });
  const { name, baselines } = results.horizons[horizon];
  const base = all.find(({ variant }) => variant === 'base')?.accuracy;
  const y = {
    field: 'variant',
    type: 'nominal',
    title: null,
    sort: all.map(({ variant }) => variant),
    axis: { labelLimit: 240 },
  };
  const x = { type: 'quantitative', title: `accuracy, ${name} ahead`, scale: { zero: false }, axis: { format: '.1%' } };
  const color = {
    field: 'group',
    type: 'nominal',
    title: null,
    sort: [...new Set(all.map(({ group }) => group))],
    scale: { scheme: 'tableau10' },
    legend: { columns: 4 },
  };
  const layer: object[] = [
    {
      mark: { type: 'rule', strokeWidth: 2 },
      encoding: { y, x: { field: 'low', ...x }, x2: { field: 'high' }, color },
    },
    { mark: { type: 'point', filled: true, size: 60 }, encoding: { y, x: { field: 'accuracy', ...x }, color } },
  ];
  if (base !== undefined) {
    layer.push({
      mark: { type: 'rule', strokeDash: [4, 4], color: '#6b7280' },
      encoding: { x: { datum: base, ...x } },
    });
  }
  return chart(
    `ablation-${results.horizons[horizon].horizon}`,
    `Accuracy, ${name} ahead`,
    `Mean and one standard deviation over seeds; dashed: the base. Majority ${percent(baselines.majority.accuracy)}.`,
    all,
    { width: 520, height: { step: 18 }, layer },
  );
}

function summaries({ runs }: AblationResults): Summary[] {
  return VARIANTS.map(({ name, group }) => ({
    variant: name,
    group,
    runs: runs.filter((run) => run.variant === name),
  })).filter((summary) => summary.runs.length > 0);
}

function moments(values: number[]): Moments {
  return { mean: mean(values), deviation: values.length > 1 ? sampleStandardDeviation(values) : Number.NaN };
}

/** 0.503, 0.004 → '50.3 ± 0.4 %'. */
function spread({ mean: value, deviation }: Moments): string {
  return Number.isNaN(deviation) ? percent(value) : `${(100 * value).toFixed(1)} ± ${percent(deviation)}`;
}

function directionHeads(): string[] {
  return ABLATION_COVERAGES.map((share) => (share === 1 ? 'direction' : `direction, surest ${percent(share, 0)}`));
}
