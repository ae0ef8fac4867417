import { type Chart, chart, PALETTE } from './charts.js';

export interface LineChartOptions {
  id: string;
  title: string;
  /** How to read it. */
  caption: string;
  x: string;
  y: string;
  /** One line each: its name and its points. */
  series: readonly { name: string; points: readonly (readonly [number, number])[] }[];
  logX?: boolean;
  logY?: boolean;
  /** A vertical line. */
  mark?: number;
}

/** A chart of lines over numbers; points without a finite value are left out. */
export function lineChart({ id, title, caption, x, y, series, logX, logY, mark }: LineChartOptions): Chart {
  const values = series.flatMap(({ name, points }) =>
    points.filter((point) => point.every(Number.isFinite)).map(([px, py]) => ({ x: px, y: py, series: name })),
  );
  const scale = (log?: boolean) => (log ? { type: 'log' } : { zero: false });
  const axis = log10Axis;
  const lines = {
    mark: { type: 'line', ...(series.length > 1 ? {} : { color: PALETTE[0] }) },
    encoding: {
      x: { field: 'x', type: 'quantitative', title: x, scale: scale(logX), ...(logX ? axis : {}) },
      y: { field: 'y', type: 'quantitative', title: y, scale: scale(logY), ...(logY ? axis : {}) },
      color:
        series.length > 1
          ? { field: 'series', type: 'nominal', title: null, sort: series.map((s) => s.name) }
          : undefined,
    },
  };
  const rule = {
    data: { values: [{ x: mark }] },
    mark: { type: 'rule', strokeDash: [4, 4], color: '#6b7280' },
    encoding: { x: { field: 'x', type: 'quantitative' } },
  };
  return chart(id, title, caption, values, {
    width: 560,
    height: 280,
    layer: mark === undefined ? [lines] : [lines, rule],
  });
}

const log10Axis = { axis: { format: '~e' } };
