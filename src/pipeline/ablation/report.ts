import { median } from 'simple-statistics';
import { type Chart, chart } from '../../monitor/report/charts.js';
import { balance, count, percent } from '../../monitor/report/format.js';
import type { Table } from '../../monitor/report/tables.js';
import { type Moments, moments, spread } from '../spread.js';
import { ABLATION_COVERAGES, ABLATION_STRIDE, type AblationResults, type AblationRun } from './study.js';
import { VARIANTS } from './variants.js';

/** Runs of one variant over its seeds. */
interface Summary {
  variant: string;
  group: string;
  runs: AblationRun[];
}

/**
 * One table a horizon, the variants in the order of the list. The last column is the change of accuracy against the base, in
 * points, ± its standard error; an arrow marks a change of more than three of them (see `changes`).
 */
export function ablationTables(results: AblationResults): Table[] {
  const { base, label, threads } = results;
  return results.horizons.map(({ name, balance: shares, baselines }, h) => ({
    title: `${name} ahead`,
    note:
      `${label} Mean ± standard deviation over seeds, on every ${ABLATION_STRIDE}th row of the test part, each run scored once. ` +
      `${base.steps} steps of ${base.batch} windows, but where the variant says otherwise. Seconds are processor time of training ` +
      `on ${threads === 1 ? 'one thread' : `${threads} threads`}, its evaluations included. Test down / flat / up ${balance(shares.test)}; majority ` +
      `${percent(baselines.majority.accuracy)} (macro-F1 ${percent(baselines.majority.macroF1)}), last move ` +
      `${percent(baselines.lastMove.accuracy)} (${percent(baselines.lastMove.macroF1)}).`,
    head: [
      ...['group', 'variant', 'parameters', 'seeds', 'seconds', 'accuracy', 'macro-F1', ...directionHeads()],
      'change of accuracy',
    ],
    rows: changes(results, h).map(({ variant, group, runs, change, error, mark }, i, all) => [
      group === all[i - 1]?.group ? '' : group,
      variant,
      count(runs[0].parameters),
      String(runs.length),
      moments(runs.map((run) => run.seconds)).mean.toFixed(1),
      spread(moments(runs.map((run) => run.scores[h].accuracy))),
      spread(moments(runs.map((run) => run.scores[h].macroF1))),
      ...ABLATION_COVERAGES.map((_, c) => spread(moments(runs.map((run) => run.scores[h].directional[c])))),
      variant === 'base' ? '' : difference(change, error, mark),
    ]),
  }));
}

/** Points of accuracy at which the chart ends: a variant that has not learned must not squeeze all others together. */
const LEFT_BORDER = 5;

/** How much each variant changes the accuracy of the base, a panel a horizon: a point, and a bar of two standard errors to each side. */
export function ablationChart(results: AblationResults): Chart {
  const all = results.horizons.flatMap(({ name }, h) =>
    changes(results, h).map(({ variant, group, change, error }) => ({
      row: `${group}: ${variant}`,
      group,
      horizon: `${name} ahead`,
      change,
      low: change - 2 * error,
      high: change + 2 * error,
    })),
  );
  const order = <T>(values: T[]) => [...new Set(values)];
  const y = {
    field: 'row',
    type: 'nominal',
    title: null,
    sort: order(all.map(({ row }) => row)),
    axis: { labelLimit: 420, labelFontSize: 9, grid: true, aria: false },
  };
  const x = {
    type: 'quantitative',
    title: 'change of accuracy, points',
    scale: {
      domain: [-LEFT_BORDER, 1 + Math.max(1, ...all.map(({ change }) => change || 0))],
      clamp: true,
    },
    axis: { aria: false },
  };
  const sort = order(all.map(({ group }) => group));
  const color = { field: 'group', type: 'nominal', sort, scale: { scheme: 'tableau20' }, legend: null };
  const layer: object[] = [
    { mark: { type: 'rule', color: '#6b7280', aria: false }, encoding: { x: { datum: 0, ...x } } },
    {
      mark: { type: 'rule', strokeWidth: 1.5, aria: false },
      encoding: { y, x: { field: 'low', ...x }, x2: { field: 'high' }, color },
    },
    {
      mark: { type: 'point', filled: true, size: 30, opacity: 1, aria: false },
      encoding: { y, x: { field: 'change', ...x }, color },
    },
  ];
  return chart(
    'ablation',
    'Change of accuracy against the base',
    `Mean over seeds, ± two standard errors of the difference; what lies further left stands at −${LEFT_BORDER}.`,
    all,
    {
      facet: {
        column: { field: 'horizon', type: 'nominal', title: null, sort: order(all.map(({ horizon }) => horizon)) },
      },
      spec: { width: 190, height: { step: 11 }, layer },
      spacing: 12,
    },
  );
}

interface Change extends Summary {
  /** Mean accuracy less that of the base, in points; NaN without the base. */
  change: number;
  /** Its standard error. */
  error: number;
  /** ▲ or ▼ beyond three standard errors. */
  mark: '' | '▲' | '▼';
}

/**
 * Every variant against the base. Three seeds say little of a deviation, so that of a run, s, is taken from all variants together, and
 * the variant's own, s_v, where it is larger: error² = max(s, s_v)²/n + s²/n₀ with n and n₀ runs of variant and base.
 */
function changes(results: AblationResults, h: number): Change[] {
  const all = summaries(results);
  const accuracies = ({ runs }: Summary) => moments(runs.map((run) => 100 * run.scores[h].accuracy));
  const base = all.find(({ variant }) => variant === 'base');
  const common = commonDeviation(all.map((summary) => ({ ...accuracies(summary), runs: summary.runs.length })));
  return all.map((summary) => {
    if (base === undefined) return { ...summary, change: Number.NaN, error: Number.NaN, mark: '' };
    const { mean: accuracy, deviation } = accuracies(summary);
    const change = accuracy - accuracies(base).mean;
    const own = Math.max(common, deviation || 0);
    const error = Math.sqrt(own ** 2 / summary.runs.length + common ** 2 / base.runs.length);
    const mark = summary === base || !(Math.abs(change) > 3 * error) ? '' : change > 0 ? '▲' : '▼';
    return { ...summary, change, error, mark };
  });
}

/**
 * The deviation of one run, from those of all variants: the root of the median variance, so that a few unstable ones do not decide it.
 * The median of a variance of ν degrees of freedom is about σ²(1 − 2/(9ν))³ (Wilson & Hilferty 1931). NaN where all have one run.
 */
function commonDeviation(all: readonly (Moments & { runs: number })[]): number {
  const variances = all
    .filter(({ runs }) => runs > 1)
    .map(({ deviation, runs }) => deviation ** 2 / (1 - 2 / (9 * (runs - 1))) ** 3);
  return variances.length === 0 ? Number.NaN : Math.sqrt(median(variances));
}

function summaries({ runs }: AblationResults): Summary[] {
  return VARIANTS.map(({ name, group }) => ({
    variant: name,
    group,
    runs: runs.filter((run) => run.variant === name),
  })).filter((summary) => summary.runs.length > 0);
}

/** 0.42, 0.3 → '+0.4 ± 0.3'. */
function difference(change: number, error: number, mark: string): string {
  if (Number.isNaN(change)) return '';
  return Number.isNaN(error) ? signed(change) : `${signed(change)} ± ${error.toFixed(1)} ${mark}`.trimEnd();
}

/** 0.42 → '+0.4'. */
function signed(value: number): string {
  const text = value.toFixed(1);
  return Number(text) === 0 ? '0.0' : text.replace(/^(-?)/, (minus) => (minus ? '−' : '+'));
}

function directionHeads(): string[] {
  return ABLATION_COVERAGES.map((share) => (share === 1 ? 'direction' : `direction, surest ${percent(share, 0)}`));
}
