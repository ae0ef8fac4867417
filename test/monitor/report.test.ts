import { describe, expect, it } from 'vitest';
import { runCharts } from '../../src/monitor/report/charts.js';
import { bytes, duration, milliseconds, percent } from '../../src/monitor/report/format.js';
import { renderReport } from '../../src/monitor/report/page.js';
import { runTables } from '../../src/monitor/report/tables.js';
import { exampleMetrics } from './example-metrics.js';

describe('report', () => {
  it('is one page with every plot drawn and nothing loaded from elsewhere', async () => {
    const metrics = exampleMetrics();
    const page = await renderReport(metrics);
    const charts = runCharts(metrics);
    expect(charts.map((c) => c.id)).toEqual(['loss', 'accuracy', 'confusion', 'coverage', 'calibration', 'latency']);
    expect(page.match(/<svg /g)).toHaveLength(charts.length);
    expect(page).not.toMatch(/<script|<link|src="http/);
    expect(page).not.toContain('NaN');
    expect(page).not.toContain('undefined');
    // Marks, not just axes: every plot holds at least one drawn path.
    for (const svg of page.split('<svg ').slice(1)) expect(svg).toMatch(/<path[^>]* d="M/);
  });

  it('shows how experts were used, of the kept step in the table and of every evaluation in the plot', async () => {
    const metrics = exampleMetrics();
    for (const [i, point] of metrics.training.history.entries()) {
      const mixture = { shares: [0.5 + 0.1 * i, 0.5 - 0.1 * i], dropped: [0.05 * i, 0], entropy: 0.6 };
      point.experts = [
        { layer: 'encoder.0.feedForward', ...mixture },
        { layer: 'encoder.1.feedForward', ...mixture },
      ];
    }
    const table = runTables(metrics).find(({ title }) => title === 'Experts')!;
    expect(table.rows).toEqual(
      [0, 1].map((n) => [`encoder.${n}.feedForward`, '70.0 / 30.0 %', '10.0 %', '0.600 of 0.693']),
    );
    const chart = runCharts(metrics).find(({ id }) => id === 'experts')!;
    expect((chart.spec as unknown as { data: { values: unknown[] } }).data.values).toHaveLength(4 * 2 * 2);
    expect(await renderReport(metrics)).toMatch(/<figure id="experts">[\s\S]*encoder\.1\.feedForward/);
    expect(runTables(exampleMetrics()).some(({ title }) => title === 'Experts')).toBe(false);
  });

  it('escapes what comes from outside', async () => {
    const metrics = exampleMetrics();
    metrics.source.symbol = '<img src=x>';
    expect(await renderReport(metrics)).not.toContain('<img');
  });

  it('puts label, balance and both baselines beside every accuracy', () => {
    const [target, accuracy] = runTables(exampleMetrics());
    expect(target.note).toContain('Zhang et al. 2019');
    expect(target.rows[0]).toEqual(['10 events', '0.210 bps', '31.0 / 37.0 / 32.0 %', '33.0 / 34.0 / 33.0 %']);
    expect(accuracy.head).toEqual(expect.arrayContaining(['majority', 'last move']));
    expect(accuracy.rows[0]).toEqual(expect.arrayContaining(['10 events', '49.0 %', '37.0 %', '41.0 %']));
  });

  it('compares with ONNX Runtime of the same precision only', () => {
    const predictors = runTables(exampleMetrics()).find(({ title }) => title === 'Predictors')!;
    expect(predictors.rows.map((r) => r[4])).toEqual(['1.67× faster', '', '']);
  });

  it('stays whole when a run has no predictor', async () => {
    const metrics = exampleMetrics();
    metrics.predictors = [];
    metrics.agreement = [];
    expect(await renderReport(metrics)).toContain('</html>');
  });
});

describe('numbers for people', () => {
  it('formats', () => {
    expect(percent(0.46321)).toBe('46.3 %');
    expect(percent(Number.NaN)).toBe('–');
    expect(bytes(4_194_304)).toBe('4.19 MB');
    const times = [0.4321, 0.01, 0.00056, 999.4, 1234, Number.NaN];
    expect(times.map(milliseconds)).toEqual(['0.432 ms', '0.0100 ms', '0.560 µs', '999 ms', '1.23 s', '–']);
    expect(duration(754)).toBe('12 min 34 s');
    expect(duration(3.21)).toBe('3.2 s');
    expect(duration(59.7)).toBe('1 min 0 s');
  });
});
