import type { RunMetrics } from '../run-metrics.js';
import { type Chart, runCharts } from './charts.js';
import { bytes, count, duration, milliseconds, percent } from './format.js';
import { renderSvg } from './svg.js';
import { runFacts, runTables, type Table } from './tables.js';

/**
 * The report of a run: one self-contained HTML page (no scripts, nothing loaded from elsewhere) with the headline
 * numbers, tables and plots.
 */
export async function renderReport(metrics: RunMetrics): Promise<string> {
  const charts = runCharts(metrics);
  const pictures: string[] = [];
  for (const chart of charts) pictures.push(figure(chart, await renderSvg(chart.spec)));
  const title = `${metrics.source.symbol} · ${metrics.model.name}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html(title)} — flashbook</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<p class="brand">flashbook · run of ${html(metrics.createdAt.slice(0, 16).replace('T', ' '))} UTC</p>
<h1>${html(title)}</h1>
</header>
<section class="headline">${headline(metrics).map(card).join('')}</section>
${runTables(metrics).map(table).join('\n')}
<section class="figures">
${pictures.join('\n')}
</section>
<section>
<h2>How it was made</h2>
<dl>${runFacts(metrics)
    .map(([what, value]) => `<dt>${html(what)}</dt><dd>${html(value)}</dd>`)
    .join('\n')}</dl>
</section>
</main>
</body>
</html>
`;
}

interface Headline {
  value: string;
  label: string;
}

function headline(metrics: RunMetrics): Headline[] {
  const cards: Headline[] = [];
  const main = metrics.predictors[0];
  const small = metrics.predictors.find((p) => p.backend === 'native' && p.precision === 'int8');
  main?.scores.forEach((score, h) => {
    const { name, baselines } = metrics.horizons[h];
    const best = Math.max(baselines.majority.accuracy, baselines.lastMove.accuracy);
    const points = 100 * (score.accuracy - best);
    cards.push({
      value: percent(score.accuracy),
      label: `accuracy, ${name}: ${points >= 0 ? '+' : '−'}${Math.abs(points).toFixed(1)} points against the best baseline`,
    });
  });
  if (main)
    cards.push({
      value: milliseconds(main.latency.p50Ms),
      label: `one prediction, ${main.name} (p99 ${milliseconds(main.latency.p99Ms)})`,
    });
  if (small)
    cards.push({
      value: bytes(small.bytes),
      label: `INT8 artefact, ${milliseconds(small.latency.p50Ms)} a prediction`,
    });
  cards.push({
    value: duration(metrics.training.seconds),
    label: `training, ${count(metrics.training.examples)} windows`,
  });
  return cards;
}

function card({ value, label }: Headline): string {
  return `<div class="card"><b>${html(value)}</b><span>${html(label)}</span></div>`;
}

function table({ title, note, head, rows }: Table): string {
  // Words stand left, numbers right: a column is words when its cells begin with letters.
  const words = head.map((_, c) => c === 0 || rows.every((row) => /^(\p{L}|$)/u.test(row[c] ?? '')));
  const cells = (row: string[], tag: string) =>
    row.map((cell, c) => `<${tag}${words[c] ? ' class="words"' : ''}>${html(cell)}</${tag}>`).join('');
  return `<section>
<h2>${html(title)}</h2>
<p class="note">${html(note)}</p>
<div class="scroll"><table>
<thead><tr>${cells(head, 'th')}</tr></thead>
<tbody>${rows.map((row) => `<tr${row[0] === '' ? '' : ' class="first"'}>${cells(row, 'td')}</tr>`).join('\n')}</tbody>
</table></div>
</section>`;
}

function figure({ id, title, caption }: Chart, svg: string): string {
  return `<figure id="${id}"><h2>${html(title)}</h2>${svg}<figcaption>${html(caption)}</figcaption></figure>`;
}

function html(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string);
}

const STYLE = `
:root { color-scheme: light; --ink: #111827; --soft: #4b5563; --line: #e5e7eb; --accent: #2563eb; }
* { box-sizing: border-box; }
body { margin: 0; background: #f8fafc; color: var(--ink); font: 15px/1.5 "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 28px; margin: 0; }
h2 { font-size: 17px; margin: 0 0 4px; }
.brand { color: var(--accent); font-weight: 600; margin: 0 0 4px; }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; margin: 24px 0; background: none; border: 0; padding: 0; }
.card { background: white; border: 1px solid var(--line); border-radius: 8px; padding: 14px; }
.card b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: 12.5px; line-height: 1.35; display: block; margin-top: 4px; }
section, figure { background: white; border: 1px solid var(--line); border-radius: 8px; padding: 18px 20px; margin: 0 0 16px; }
.note, figcaption { color: var(--soft); font-size: 13px; margin: 0 0 10px; }
figcaption { margin: 8px 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { text-align: right; font-weight: 600; color: var(--soft); padding: 4px 10px; border-bottom: 2px solid var(--line); }
td { text-align: right; padding: 4px 10px; }
.words { text-align: left; }
tr.first td { border-top: 1px solid var(--line); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(500px, 1fr)); gap: 16px; background: none; border: 0; padding: 0; }
.figures figure { margin: 0; overflow-x: auto; }
#confusion, #coverage, #experts { grid-column: 1 / -1; }
svg { max-width: 100%; height: auto; display: block; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 8px 0 0; font-size: 13.5px; }
dt { color: var(--soft); }
dd { margin: 0; }
@media (max-width: 640px) { .figures { grid-template-columns: 1fr; } dl { grid-template-columns: 1fr; } dd { margin-bottom: 8px; } }
`;
