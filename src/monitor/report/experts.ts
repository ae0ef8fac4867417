import type { ExpertMetrics, RunMetrics, TrainingMetrics, TrainingPoint } from '../run-metrics.js';
import { type Chart, chart, type Values } from './charts.js';
import { balance, percent } from './format.js';
import type { Table } from './tables.js';

/** Shares that a cell of the table can tell one by one. */
const MOST_SHARES = 8;

/** The training runs that mixtures of experts were in; of one run alone the name is empty. */
function runs({ training, ensemble }: RunMetrics): { name: string; training: TrainingMetrics }[] {
  const members = (ensemble?.members ?? []).flatMap(({ name, training: own }) =>
    own ? [{ name, training: own }] : [],
  );
  return [{ name: '', training }, ...members].filter(({ training: { history } }) =>
    history.some(({ experts }) => experts),
  );
}

/** The evaluation of the weights that are kept, where they are of one step, else the last. */
function kept({ history, bestStep }: TrainingMetrics): TrainingPoint {
  return history.find(({ step }) => step === bestStep) ?? history[history.length - 1];
}

/** How each mixture of experts is used by the kept weights. */
export function expertTable(metrics: RunMetrics): Table {
  const rows = runs(metrics).flatMap(({ name, training }) =>
    (kept(training).experts ?? []).map(({ layer, shares, dropped, entropy }) => [
      layerName(name, layer),
      shares.length <= MOST_SHARES
        ? balance(shares)
        : `${percent(Math.min(...shares))} … ${percent(Math.max(...shares))}`,
      percent(dropped.reduce((sum, share) => sum + share, 0)),
      `${entropy.toFixed(3)} of ${Math.log(shares.length).toFixed(3)}`,
    ]),
  );
  return {
    title: 'Experts',
    note: 'On some of the validation windows, with the kept weights. Shares of all choices, expert by expert; left out: choices that would find their expert full in training; entropy of the router in nats, of the largest that it can be.',
    head: ['mixture', 'shares', 'left out', 'router entropy'],
    rows,
  };
}

/** Share of each expert at each evaluation: a panel for each mixture. */
export function expertChart(metrics: RunMetrics): Chart | undefined {
  const points = runs(metrics).flatMap(({ name, training: { history } }) =>
    history.flatMap(({ step, experts = [] }) =>
      experts.map((mixture) => ({ step, panel: layerName(name, mixture.layer), mixture })),
    ),
  );
  if (points.length === 0) return undefined;
  const values: Values = points.flatMap(({ step, panel, mixture }) => sharesOf(mixture, { step, panel }));
  const panels = [...new Set(points.map(({ panel }) => panel))];
  return chart(
    'experts',
    'Use of the experts',
    'Share of each expert in all choices on validation windows, at each evaluation: pale is none, dark is all of them.',
    values,
    {
      facet: { field: 'panel', type: 'nominal', title: null, sort: panels },
      columns: 3,
      spec: {
        width: 250,
        height: 140,
        mark: 'rect',
        encoding: {
          x: { field: 'step', type: 'ordinal', title: 'step', axis: { labelOverlap: true, labelAngle: 0 } },
          y: { field: 'expert', type: 'ordinal', title: 'expert' },
          color: {
            ...{ field: 'share', type: 'quantitative', title: 'share' },
            ...{ scale: { scheme: 'blues', domain: [0, 1] }, legend: { format: '.0%' } },
          },
        },
      },
    },
  );
}

function sharesOf({ shares }: ExpertMetrics, at: { step: number; panel: string }): Values {
  return shares.map((share, expert) => ({ ...at, expert, share }));
}

function layerName(run: string, layer: string): string {
  return run === '' ? layer : `${run}: ${layer}`;
}
