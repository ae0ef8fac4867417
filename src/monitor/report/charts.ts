import type { TopLevelSpec } from 'vega-lite';
import { CLASSES, type PredictorMetrics, type RunMetrics } from '../run-metrics.js';
import { expertChart } from './experts.js';

/** One chart of the report: what it shows, in words, and its vega-lite specification. */
export interface Chart {
  id: string;
  title: string;
  /** How to read it. */
  caption: string;
  spec: TopLevelSpec;
}

export const PALETTE = ['#2563eb', '#d97706', '#059669', '#9333ea', '#dc2626', '#0891b2'];
export const INK = '#1f2937';
const GRID = '#e5e7eb';

const CONFIG: TopLevelSpec['config'] = {
  background: 'white',
  font: 'DejaVu Sans, Segoe UI, Helvetica, Arial, sans-serif',
  view: { stroke: 'transparent' },
  axis: {
    gridColor: GRID,
    domainColor: '#9ca3af',
    tickColor: '#9ca3af',
    labelColor: INK,
    titleColor: INK,
    titleFontWeight: 'normal',
  },
  legend: { labelColor: INK, titleColor: INK, titleFontWeight: 'normal', orient: 'top', labelLimit: 400 },
  header: { labelColor: INK, titleColor: INK, titleFontWeight: 'normal', labelFontSize: 12 },
  range: { category: PALETTE },
};

export type Values = Record<string, string | number | null>[];

export function chart(id: string, title: string, caption: string, values: Values, spec: object): Chart {
  return { id, title, caption, spec: { config: CONFIG, data: { values }, ...spec } as TopLevelSpec };
}

/** Every chart that the metrics allow, in reading order. */
export function runCharts(metrics: RunMetrics): Chart[] {
  const main = metrics.predictors[0];
  const together = metrics.training.history.length > 0;
  const charts = together ? [lossCurve(metrics), accuracyCurve(metrics)] : [memberCurves(metrics)];
  const experts = expertChart(metrics);
  if (experts !== undefined) charts.push(experts);
  if (main !== undefined) {
    charts.push(confusion(metrics, main), coverageCurve(metrics, main), calibration(metrics, main), latency(metrics));
  }
  return charts;
}

function lossCurve(metrics: RunMetrics): Chart {
  const values: Values = [];
  for (const point of metrics.training.history) {
    values.push({ step: point.step, loss: point.trainLoss, part: 'training' });
    if (point.validationLoss !== undefined)
      values.push({ step: point.step, loss: point.validationLoss, part: 'validation' });
  }
  return chart(
    'loss',
    'Loss',
    `Cross-entropy with label smoothing, summed over the horizons by their weights. ${keptWeights(metrics)}`,
    values,
    lossCurves('part', { axis: 'x', values: keptSteps(metrics) }),
  );
}

/** Losses over steps, a line each of `field` in the order of `sort`, and dashed rules at `values` of an axis. */
function lossCurves(field: string, rules: { axis: 'x' | 'y'; values: number[] }, sort?: string[]) {
  return {
    width: 460,
    height: 260,
    layer: [
      {
        mark: { type: 'line', interpolate: 'monotone', point: { size: 18 } } as const,
        encoding: {
          x: { field: 'step', type: 'quantitative', title: 'step' } as const,
          y: { field: 'loss', type: 'quantitative', title: 'loss', scale: { zero: false } } as const,
          color: { field, type: 'nominal', title: null, ...(sort && { sort }) } as const,
        },
      },
      {
        data: { values: rules.values.map((at) => ({ at })) },
        mark: { type: 'rule', strokeDash: [4, 4], color: '#6b7280' } as const,
        encoding: { [rules.axis]: { field: 'at', type: 'quantitative' } as const },
      },
    ],
  };
}

function keptSteps({ training: { bestStep }, ensemble }: RunMetrics): number[] {
  return bestStep === undefined ? (ensemble?.members.map(({ step }) => step) ?? []) : [bestStep];
}

function keptWeights(metrics: RunMetrics): string {
  const { bestStep } = metrics.training;
  return bestStep === undefined
    ? `The members' weights are those of steps ${keptSteps(metrics).join(', ')} (dashed).`
    : `The kept weights are those of step ${bestStep} (dashed).`;
}

function memberCurves({ ensemble }: RunMetrics): Chart {
  const members = ensemble?.members ?? [];
  const values: Values = members.flatMap(({ name, training }) =>
    (training?.history ?? []).flatMap(({ step, validationLoss }) =>
      validationLoss === undefined ? [] : [{ step, loss: validationLoss, member: name }],
    ),
  );
  return chart(
    'loss',
    'Validation loss of the members',
    `Cross-entropy with label smoothing, summed over the horizons by their weights; of the ensemble ${ensemble?.validation.loss.toFixed(4)} (dashed).`,
    values,
    lossCurves(
      'member',
      { axis: 'y', values: ensemble ? [ensemble.validation.loss] : [] },
      members.map(({ name }) => name),
    ),
  );
}

function accuracyCurve(metrics: RunMetrics): Chart {
  const values: Values = [];
  for (const point of metrics.training.history) {
    point.validationAccuracy?.forEach((accuracy, h) => {
      values.push({ step: point.step, accuracy, horizon: metrics.horizons[h].name });
    });
  }
  return chart(
    'accuracy',
    'Validation accuracy',
    'Share of validation rows with the right class out of three, by horizon.',
    values,
    {
      width: 460,
      height: 260,
      mark: { type: 'line', interpolate: 'monotone', point: { size: 18 } },
      encoding: {
        x: { field: 'step', type: 'quantitative', title: 'step' },
        y: {
          field: 'accuracy',
          type: 'quantitative',
          title: 'accuracy',
          axis: { format: '.0%' },
          scale: { zero: false },
        },
        color: { field: 'horizon', type: 'nominal', title: null, sort: metrics.horizons.map((h) => h.name) },
      },
    },
  );
}

function confusion(metrics: RunMetrics, predictor: PredictorMetrics): Chart {
  const values: Values = [];
  predictor.scores.forEach((score, h) => {
    score.confusion.forEach((row, actual) => {
      const total = row.reduce((a, b) => a + b, 0);
      row.forEach((count, predicted) => {
        values.push({
          horizon: metrics.horizons[h].name,
          actual: CLASSES[actual],
          predicted: CLASSES[predicted],
          share: total === 0 ? 0 : count / total,
          label: `${total === 0 ? '–' : ((100 * count) / total).toFixed(0)} %`,
        });
      });
    });
  });
  return chart(
    'confusion',
    'Confusion',
    `Each row adds up to 100 %: of the test rows that really went there, how many ${predictor.name} put where.`,
    values,
    {
      facet: { column: { field: 'horizon', type: 'nominal', title: null, sort: metrics.horizons.map((h) => h.name) } },
      spec: {
        width: 250,
        height: 180,
        encoding: {
          x: { field: 'predicted', type: 'nominal', sort: [...CLASSES], title: 'predicted', axis: { labelAngle: 0 } },
          y: { field: 'actual', type: 'nominal', sort: [...CLASSES].reverse(), title: 'actual' },
        },
        layer: [
          {
            mark: 'rect',
            encoding: {
              color: { field: 'share', type: 'quantitative', legend: null, scale: { scheme: 'blues', domain: [0, 1] } },
            },
          },
          {
            mark: { type: 'text', fontSize: 13 },
            encoding: {
              text: { field: 'label' },
              color: { condition: { test: 'datum.share > 0.55', value: 'white' }, value: INK },
            },
          },
        ],
      },
    },
  );
}

function coverageCurve(metrics: RunMetrics, predictor: PredictorMetrics): Chart {
  const values: Values = [];
  predictor.scores.forEach((score, h) => {
    for (const point of score.coverage) {
      values.push({
        coverage: point.coverage,
        value: point.accuracy,
        horizon: metrics.horizons[h].name,
        measure: 'accuracy, three classes',
      });
      values.push({
        coverage: point.coverage,
        value: point.directional,
        horizon: metrics.horizons[h].name,
        measure: 'direction, up or down',
      });
    }
  });
  return chart(
    'coverage',
    'Accuracy against coverage',
    'What remains when only the most confident predictions count: 100 % is every test row, 10 % the surest tenth.',
    values,
    {
      facet: { column: { field: 'measure', type: 'nominal', title: null } },
      spec: {
        width: 440,
        height: 280,
        mark: { type: 'line', interpolate: 'monotone' },
        encoding: {
          x: {
            field: 'coverage',
            type: 'quantitative',
            title: 'share of rows predicted',
            axis: { format: '.0%' },
            scale: { domain: [0, 1] },
          },
          y: { field: 'value', type: 'quantitative', title: null, axis: { format: '.0%' }, scale: { zero: false } },
          color: { field: 'horizon', type: 'nominal', title: null, sort: metrics.horizons.map((h) => h.name) },
        },
      },
    },
  );
}

function calibration(metrics: RunMetrics, predictor: PredictorMetrics): Chart {
  const values: Values = [];
  predictor.scores.forEach((score, h) => {
    for (const bin of score.calibration) {
      if (bin.count > 0)
        values.push({
          confidence: bin.confidence,
          accuracy: bin.accuracy,
          rows: bin.count,
          horizon: metrics.horizons[h].name,
        });
    }
  });
  const scale = { domain: [0.2, 1], clamp: true };
  return chart(
    'calibration',
    'Calibration',
    'On the dashed line, confidence is accuracy. Above it the model is too modest, below it too sure. Size: rows in the bin.',
    values,
    {
      width: 400,
      height: 300,
      layer: [
        {
          data: { values: [{ a: 0.2 }, { a: 1 }] },
          mark: { type: 'line', strokeDash: [4, 4], color: '#6b7280' },
          encoding: { x: { field: 'a', type: 'quantitative' }, y: { field: 'a', type: 'quantitative' } },
        },
        {
          mark: { type: 'point', filled: true, opacity: 0.8 },
          encoding: {
            x: { field: 'confidence', type: 'quantitative', title: 'confidence', axis: { format: '.0%' }, scale },
            y: { field: 'accuracy', type: 'quantitative', title: 'accuracy', axis: { format: '.0%' }, scale },
            size: { field: 'rows', type: 'quantitative', legend: null, scale: { range: [20, 300] } },
            color: { field: 'horizon', type: 'nominal', title: null, sort: metrics.horizons.map((h) => h.name) },
          },
        },
      ],
    },
  );
}

function latency(metrics: RunMetrics): Chart {
  const values: Values = [];
  for (const predictor of metrics.predictors) {
    const { edgesMs, counts } = predictor.latency.histogram;
    // A step holds until the next edge; the last edge closes the outline.
    for (const [i, ms] of edgesMs.entries()) {
      const share = (counts[i] ?? 0) / Math.max(1, predictor.latency.count);
      values.push({ ms, share, predictor: predictor.name });
    }
  }
  return chart(
    'latency',
    'Latency of one prediction',
    'Batch 1, synchronous, in milliseconds on a logarithmic axis; ONNX Runtime without messaging to its worker.',
    values,
    {
      width: 460,
      height: 300,
      mark: { type: 'area', interpolate: 'step-after', line: { strokeWidth: 1.5 }, opacity: 0.3 },
      encoding: {
        x: { field: 'ms', type: 'quantitative', title: 'ms', scale: { type: 'log', nice: false } },
        y: {
          field: 'share',
          type: 'quantitative',
          title: 'share of predictions',
          stack: false,
          axis: { format: '.0%' },
        },
        color: {
          field: 'predictor',
          type: 'nominal',
          title: null,
          sort: metrics.predictors.map((p) => p.name),
          legend: { columns: 2 },
        },
      },
    },
  );
}
