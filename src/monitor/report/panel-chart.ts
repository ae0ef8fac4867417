import { type Chart, chart, PALETTE } from './charts.js';

export interface PanelChartOptions {
  id: string;
  title: string;
  /** How to read it. */
  caption: string;
  x: string;
  y: string;
  /** Grey in every panel. */
  reference: readonly number[];
  /** A panel each: its name, and as many values as the reference has. */
  panels: readonly { name: string; values: readonly number[] }[];
}

/** Curves over 0, 1, 2 …, each in a panel of its own before the same reference: where they lie too near each other for one picture. */
export function panelChart({ id, title, caption, x, y, reference, panels }: PanelChartOptions): Chart {
  const values = panels.flatMap((panel) =>
    panel.values.map((value, i) => ({ panel: panel.name, x: i, y: value, reference: reference[i] })),
  );
  const curve = (field: string, color: string, strokeWidth: number) => ({
    mark: { type: 'line', color, strokeWidth },
    encoding: {
      x: { field: 'x', type: 'quantitative', title: x },
      y: { field, type: 'quantitative', title: y, scale: { zero: false } },
    },
  });
  return chart(id, title, caption, values, {
    facet: { field: 'panel', type: 'nominal', title: null, sort: panels.map(({ name }) => name) },
    columns: 2,
    spec: { width: 380, height: 170, layer: [curve('reference', '#9ca3af', 2.5), curve('y', PALETTE[0], 1.3)] },
  });
}
