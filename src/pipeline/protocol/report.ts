import { COVERAGES } from '../../metrics/index.js';
import { type Chart, chart } from '../../monitor/report/charts.js';
import { balance, count, percent } from '../../monitor/report/format.js';
import type { Table } from '../../monitor/report/tables.js';
import type { ProtocolResult, ProtocolResults, ProtocolScore } from './study.js';

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
        `Last move: the sign of the last k events' move.`,
      head: ['k', 'model', 'accuracy', 'macro-F1', 'direction', 'test down / flat / up'],
      rows: own.flatMap(({ horizon, baselines, balance: shares, t }) => [
        [String(horizon), 'majority', ...cells(baselines.majority), balance(shares.test)],
        ['', 'last move', ...cells(baselines.lastMove), ''],
        ...scored.map(({ name, scores }) => ['', name, ...cells(scores[t]), '']),
      ]),
    };
  });
  return [...tables, membersTable(results)];
}

function membersTable({ members, ensemble, weights, tasks, best }: ProtocolResults): Table {
  return {
    title: 'Models, on the validation part',
    note: `The loss is the sum of the six cross-entropies; the best single model is ${best}. Weights in the ensemble: mean over the labels.`,
    head: [
      'model',
      'parameters',
      'seconds',
      'loss',
      'weight',
      ...tasks.map(({ label, horizon }) => `${label} ${horizon}`),
    ],
    rows: [...members, ensemble].map((result) => {
      const m = members.indexOf(result);
      const weight = m < 0 ? '' : (weights.reduce((sum, list) => sum + list[m], 0) / weights.length).toFixed(2);
      const directions = result.validation.map(({ directional }) => percentages(directional.slice(0, 2)));
      const { name, parameters, seconds, validationLoss } = result;
      return [name, count(parameters), seconds.toFixed(0), validationLoss.toFixed(4), weight, ...directions];
    }),
  };
}

/** Directional accuracy over coverage, a panel a task. */
export function protocolChart(results: ProtocolResults): Chart {
  const part = partOf(results);
  const values = scoredOn(results, part).flatMap(({ name, scores }) =>
    scores.flatMap(({ directional }, t) =>
      directional.map((value, c) => ({
        model: name,
        task: `label ${results.tasks[t].label}, k ${results.tasks[t].horizon}`,
        coverage: COVERAGES[c],
        value,
      })),
    ),
  );
  return chart(
    'protocol',
    'Directional accuracy',
    `Over the surest share of the ${part} part's rows. The sign of P(up) − P(down) against that of the return.`,
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

function partOf({ ensemble }: ProtocolResults): 'test' | 'validation' {
  return ensemble.test === undefined ? 'validation' : 'test';
}

/** The baseline, the best single model and the ensemble. */
function scoredOn(results: ProtocolResults, part: 'test' | 'validation'): { name: string; scores: ProtocolScore[] }[] {
  const { baseline, members, best, ensemble } = results;
  const [linear, single] = [baseline, best].map((wanted) => members.find(({ name }) => name === wanted)!);
  const named = (result: ProtocolResult, name: string) => ({ name, scores: result[part]! });
  return [
    named(linear, baseline),
    named(single, `best single: ${best}`),
    named(ensemble, `ensemble of ${members.length}`),
  ];
}

function cells({ accuracy, macroF1, directional }: ProtocolScore): string[] {
  return [percent(accuracy), percent(macroF1), percentages(directional)];
}

/** '68.1 / 76.4'; a guess without confidence has none. */
function percentages(shares: readonly number[]): string {
  return shares.some(Number.isNaN) ? '–' : shares.map((share) => (100 * share).toFixed(1)).join(' / ');
}
