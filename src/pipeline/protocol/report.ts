import { COVERAGES } from '../../metrics/index.js';
import { type Chart, chart } from '../../monitor/report/charts.js';
import { balance, count, percent } from '../../monitor/report/format.js';
import type { Table } from '../../monitor/report/tables.js';
import { moments, spread } from '../spread.js';
import type { ProtocolScore } from './prepare.js';
import type { ProtocolResult, ProtocolResults, ProtocolRun } from './study.js';

/** What is scored on the test part: a table a label, or of the validation part where the test part was left alone. */
export function protocolTables(results: ProtocolResults): Table[] {
  const part = partOf(results);
  const scored = scoredOn(results, part);
  const labels = [...new Set(results.tasks.map(({ label }) => label))];
  const tables = labels.map((label): Table => {
    const own = results.tasks.flatMap((task, t) => (task.label === label ? [{ ...task, t }] : []));
    return {
      title: `Label ${label}, ${part} part`,
      note:
        `${LABELS[label]} Directional accuracy over the surest ${COVERAGES.map((share) => percent(share, 0)).join(', ')} of the rows. ` +
        `Direction: by the direction output; in the last column by the three classes. Last move: the sign of the last k events' move.${seedNote(results)}`,
      head: ['k', 'model', 'accuracy', 'macro-F1', 'direction', 'test down / flat / up', 'direction by classes'],
      rows: own.flatMap(({ horizon, baselines, balance: shares, t }) => [
        [String(horizon), 'majority', ...cells([baselines.majority]), balance(shares.test), '–'],
        ['', 'last move', ...cells([baselines.lastMove]), '', '–'],
        ...scored.map(({ name, runs }) => {
          const own = runs.map((scores) => scores[t]);
          return ['', name, ...cells(own), '', percentages(own.map(({ classDirectional }) => classDirectional))];
        }),
      ]),
    };
  });
  return [...tables, membersTable(results)];
}

function membersTable(results: ProtocolResults): Table {
  const { runs, tasks } = results;
  const rows = [...runs[0].members.keys(), undefined].map((m) => {
    const each = runs.map((run) => (m === undefined ? run.ensemble : run.members[m]));
    const weights = runs.map((run) => (m === undefined ? 0 : meanWeight(run, m)));
    const directions = tasks.map((_, t) =>
      percentages(each.map(({ validation }) => validation[t].directional.slice(0, 2))),
    );
    const [{ name, parameters }] = each;
    const seconds = moments(each.map((result) => result.seconds)).mean.toFixed(0);
    const loss = plain(
      each.map(({ validationLoss }) => validationLoss),
      4,
    );
    return [name, count(parameters), seconds, loss, m === undefined ? '' : plain(weights, 2), ...directions];
  });
  return {
    title: 'Models, on the validation part',
    note: `The loss is the sum of the six cross-entropies; the best single model is ${bestNames(results).join(', ')}. Weights in the ensemble: mean over the outputs.${seedNote(results)}`,
    head: [
      ...['model', 'parameters', 'seconds', 'loss', 'weight'],
      ...tasks.map(({ label, horizon }) => `${label} ${horizon}`),
    ],
    rows,
  };
}

/** Directional accuracy over coverage, a panel a task; the mean over the seeds. */
export function protocolChart(results: ProtocolResults): Chart {
  const part = partOf(results);
  const values = scoredOn(results, part).flatMap(({ name, runs }) =>
    results.tasks.flatMap((task, t) =>
      COVERAGES.map((coverage, c) => ({
        model: name,
        task: `label ${task.label}, k ${task.horizon}`,
        coverage,
        value: moments(runs.map((scores) => scores[t].directional[c])).mean,
      })),
    ),
  );
  return chart(
    'protocol',
    'Directional accuracy',
    `Over the surest share of the ${part} part's rows. The sign of P(up) − P(down) of the direction outputs against that of the return.${seedNote(results)}`,
    values,
    {
      facet: { field: 'task', type: 'nominal', title: null, sort: [...new Set(values.map(({ task }) => task))] },
      columns: 3,
      spec: {
        width: 190,
        height: 150,
        mark: { type: 'line', point: true },
        encoding: {
          x: { field: 'coverage', type: 'quantitative', title: 'share of rows', axis: { format: '%' } },
          y: { field: 'value', type: 'quantitative', title: null, axis: { format: '%' }, scale: { zero: false } },
          color: { field: 'model', type: 'nominal', title: null, scale: { scheme: 'tableau10' } },
        },
      },
    },
  );
}

const LABELS = {
  A: 'Mean of the next k mids against the mid now (Zhang et al. 2019, eq. 3).',
  B: 'Mean of the next k mids against the mean of the last k (Zhang et al. 2019, eq. 4): it contains the past.',
} as const;

function partOf({ runs }: ProtocolResults): 'test' | 'validation' {
  return runs[0].ensemble.test === undefined ? 'validation' : 'test';
}

function seedNote({ runs }: ProtocolResults): string {
  return runs.length === 1 ? '' : ` Mean ± standard deviation over ${runs.length} seeds.`;
}

/** The best single model, of each seed. */
function bestNames({ runs }: ProtocolResults): string[] {
  return [...new Set(runs.map(({ best }) => best))];
}

/** The baseline, the best single model and the ensemble: scores of each seed. */
function scoredOn(results: ProtocolResults, part: 'test' | 'validation'): { name: string; runs: ProtocolScore[][] }[] {
  const { baseline, runs } = results;
  const named = (name: string, of: (run: ProtocolRun) => ProtocolResult) => ({
    name,
    runs: runs.map((run) => of(run)[part]!),
  });
  const member = ({ members }: ProtocolRun, wanted: string) => members.find(({ name }) => name === wanted)!;
  return [
    named(baseline, (run) => member(run, baseline)),
    named(`best single: ${bestNames(results).join(' or ')}`, (run) => member(run, run.best)),
    named(`ensemble of ${runs[0].members.length}`, ({ ensemble }) => ensemble),
  ];
}

function meanWeight({ weights }: ProtocolRun, member: number): number {
  return weights.reduce((sum, list) => sum + list[member], 0) / weights.length;
}

/** Of one task, over the seeds. */
function cells(scores: readonly ProtocolScore[]): string[] {
  return [
    spread(moments(scores.map(({ accuracy }) => accuracy))),
    spread(moments(scores.map(({ macroF1 }) => macroF1))),
    percentages(scores.map(({ directional }) => directional)),
  ];
}

/** '68.1 / 76.4', over several seeds '68.1 ± 0.2 / 76.4 ± 0.3'; a guess without confidence has none. */
function percentages(lists: readonly (readonly number[])[]): string {
  if (lists.some((list) => list.some(Number.isNaN))) return '–';
  return lists[0]
    .map((_, c) =>
      plain(
        lists.map((list) => 100 * list[c]),
        1,
      ),
    )
    .join(' / ');
}

/** '5.1555', over several seeds '5.1555 ± 0.0012'. */
function plain(values: number[], digits: number): string {
  const { mean, deviation } = moments(values);
  return Number.isNaN(deviation) ? mean.toFixed(digits) : `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`;
}
