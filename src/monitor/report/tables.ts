import type { MemberMetrics, PredictionScore, RunMetrics, TrainingMetrics } from '../run-metrics.js';
import { expertTable } from './experts.js';
import { balance, bytes, count, duration, milliseconds, percent, scientific } from './format.js';

/** A table with a heading row; the same content goes to the terminal and to the report. */
export interface Table {
  title: string;
  /** What must be known to read it right. */
  note: string;
  head: string[];
  rows: string[][];
}

/** The closing tables of a run, in reading order. */
export function runTables(metrics: RunMetrics): Table[] {
  return [
    targetTable(metrics),
    accuracyTable(metrics),
    coverageTable(metrics),
    memberTable(metrics),
    expertTable(metrics),
    predictorTable(metrics),
    agreementTable(metrics),
  ].filter((table) => table.rows.length > 0);
}

function targetTable(metrics: RunMetrics): Table {
  return {
    title: 'What is predicted',
    note: `${metrics.label.description} Up and down: beyond ± the threshold, fitted on the training part only.`,
    head: ['horizon', 'threshold', 'test down / flat / up', 'training down / flat / up'],
    rows: metrics.horizons.map(({ name, threshold, balance: shares }) => [
      name,
      `${(1e4 * threshold).toPrecision(3)} bps`,
      balance(shares.test),
      balance(shares.train),
    ]),
  };
}

function accuracyTable(metrics: RunMetrics): Table {
  const synthetic = metrics.horizons.some((h) => h.reachable !== undefined);
  const head = ['horizon', 'predictor', 'accuracy', 'macro-F1', 'majority', 'last move'];
  if (synthetic) head.push('reachable');
  head.push('log loss', 'ECE');
  const rows = metrics.horizons.flatMap((target, h) =>
    metrics.predictors.map((predictor, p) => {
      const score = predictor.scores[h];
      const { majority, lastMove } = target.baselines;
      const first = p === 0;
      const row = [
        first ? target.name : '',
        predictor.name,
        percent(score.accuracy),
        percent(score.macroF1),
        first ? percent(majority.accuracy) : '',
        first ? percent(lastMove.accuracy) : '',
      ];
      if (synthetic) row.push(first && target.reachable !== undefined ? percent(target.reachable) : '');
      row.push(score.logLoss.toFixed(3), percent(score.calibrationError));
      return row;
    }),
  );
  return {
    title: 'Accuracy on the test part',
    note: `Three classes, ${count(metrics.predictors[0]?.rows ?? 0)} test rows that nothing was fitted or chosen on. Majority: always the most frequent class of the training part. Last move: the past k events go on.${synthetic ? ' Reachable: by who knows the hidden drift and nothing else.' : ''}`,
    head,
    rows,
  };
}

const COVERAGES = [1, 0.5, 0.25, 0.1];

function coverageTable(metrics: RunMetrics): Table {
  const main = metrics.predictors[0];
  const rows: string[][] = [];
  main?.scores.forEach((score, h) => {
    const cells = COVERAGES.map((coverage) => {
      const point = score.coverage.reduce((best, p) =>
        Math.abs(p.coverage - coverage) < Math.abs(best.coverage - coverage) ? p : best,
      );
      return `${percent(point.accuracy)} · ${percent(point.directional)}`;
    });
    rows.push([metrics.horizons[h].name, ...cells]);
  });
  return {
    title: 'Accuracy against coverage',
    note: `${main?.name ?? ''}: three-class accuracy · directional accuracy (sign of P(up) − P(down) against the sign of the return), on the most confident share of test rows.`,
    head: ['horizon', ...COVERAGES.map((c) => `${100 * c} % of rows`)],
    rows,
  };
}

/** What each member of an ensemble reaches alone, and below them what they reach together. */
function memberTable({ ensemble, horizons, predictors }: RunMetrics): Table {
  const together = predictors[0];
  const rows = horizons.flatMap(({ name }, h) => [
    ...(ensemble?.members ?? []).map(({ name: member, weights, validation, scores }, m) => {
      const { accuracy, macroF1, directional, logLoss } = scores[h];
      return [
        ...[m === 0 ? name : '', member, weights[h].toFixed(3), percent(validation.accuracy[h])],
        ...[percent(accuracy), percent(macroF1), percent(directional), logLoss.toFixed(3)],
      ];
    }),
    ...(ensemble === undefined || together === undefined
      ? []
      : [ensembleRow(ensemble.validation.accuracy[h], together.scores[h])]),
  ]);
  return {
    title: 'Members of the ensemble',
    note: `Weights ${ensemble?.weighting === 'equal' ? 'are equal' : 'were learned on the validation part'}. A member's scores on the test part are its own, in float32; those of the ensemble are of ${together?.name ?? 'no predictor'}. Direction: over all rows.`,
    head: ['horizon', 'member', 'weight', 'validation', 'accuracy', 'macro-F1', 'direction', 'log loss'],
    rows,
  };
}

function ensembleRow(validation: number, { accuracy, macroF1, coverage, logLoss }: PredictionScore): string[] {
  return [
    ...['', 'ensemble', '', percent(validation)],
    ...[percent(accuracy), percent(macroF1), percent(coverage[0].directional), logLoss.toFixed(3)],
  ];
}

function predictorTable(metrics: RunMetrics): Table {
  return {
    title: 'Predictors',
    note: `${count(metrics.model.parameters)} parameters, window of ${metrics.data.window} rows × ${metrics.data.features} features. Latency of one prediction at batch 1; the first predictor is the reference.`,
    head: ['predictor', 'on disk', 'latency p50', 'p99', 'against ONNX Runtime', 'rows/s in batches'],
    rows: metrics.predictors.map((predictor) => {
      const rival = metrics.predictors.find((p) => p.backend === 'onnx' && p.precision === predictor.precision);
      const ratio =
        rival === undefined || rival === predictor
          ? ''
          : `${(rival.latency.p50Ms / predictor.latency.p50Ms).toFixed(2)}× faster`;
      return [
        predictor.name,
        bytes(predictor.bytes),
        milliseconds(predictor.latency.p50Ms),
        milliseconds(predictor.latency.p99Ms),
        ratio,
        count(Math.round(predictor.rowsPerSecond)),
      ];
    }),
  };
}

function agreementTable(metrics: RunMetrics): Table {
  return {
    title: 'Agreement between predictors',
    note: 'On the test part: distance of the logits, and share of (row, horizon) pairs with the same class.',
    head: ['one', 'other', 'rows', 'largest difference', 'mean difference', 'same class'],
    rows: metrics.agreement.map((a) => [
      a.a,
      a.b,
      count(a.rows),
      scientific(a.maxLogitDifference),
      scientific(a.meanLogitDifference),
      percent(a.sameClass, 2),
    ]),
  };
}

/** The run in pairs of (what, value): data, label, split, model, training. */
export function runFacts(metrics: RunMetrics): [string, string][] {
  const { data, split, training, machine } = metrics;
  const part = ([start, end]: [number, number]) => `rows ${count(start)}–${count(end - 1)} (${count(end - start)})`;
  const facts: [string, string][] = [
    [
      'data',
      `${metrics.source.symbol} (${metrics.source.venue}): ${count(data.events)} events, ${data.levels} levels. ${metrics.source.description}`,
    ],
  ];
  if (data.mismatches !== undefined) {
    const taken =
      data.levelsTaken === undefined
        ? ''
        : `; ${count(data.levelsTaken)} levels came into view from beyond and were taken from the feed`;
    const agreed =
      data.mismatches === 0
        ? `agrees with the feed's own in all ${count(data.events)} rows`
        : `differs from the feed's own in ${count(data.mismatches)} rows`;
    facts.push(['rebuilt book', agreed + taken]);
  }
  facts.push(
    ['label', metrics.label.description],
    ['training part', part(split.train)],
    ['validation part', part(split.validation)],
    ['test part', part(split.test)],
    ['purge, embargo', `${split.purge} and ${split.embargo} rows at each border`],
    ['model', `${metrics.model.name}: ${metrics.model.description}; ${count(metrics.model.parameters)} parameters`],
    ...(metrics.ensemble?.members ?? []).map((member): [string, string] => [member.name, memberFacts(member)]),
    ['training', `${trainingFacts(training)}; seed ${metrics.seed}`],
    [
      'machine',
      `${machine.cpu}, ${machine.isa}, ${machine.threads} thread${machine.threads === 1 ? '' : 's'}, Node ${machine.node}, flashbook ${metrics.flashbook}`,
    ],
    ['stages', metrics.stages.map((s) => `${s.name} ${duration(s.seconds)}`).join(' · ')],
  );
  return facts;
}

function trainingFacts({ steps, batch, seconds, examples, bestStep, stoppedEarly }: TrainingMetrics): string {
  const rate = count(Math.round(examples / Math.max(seconds, 1e-9)));
  const kept = bestStep === undefined ? '' : `; kept step ${count(bestStep)}`;
  return `${count(steps)} steps of ${batch} windows in ${duration(seconds)} (${rate} windows/s)${kept}${stoppedEarly ? ', stopped early' : ''}`;
}

function memberFacts({ description, parameters, step, validation, training }: MemberMetrics): string {
  const how = training === undefined ? `weights of step ${count(step)}` : trainingFacts(training);
  return `${count(parameters)} parameters, validation loss ${validation.loss.toFixed(4)}; ${how}${training === undefined ? '' : `; ${description}`}`;
}
