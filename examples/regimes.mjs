// Experts that specialise by market regime: a mixture of experts beside a dense model in a market of two regimes.
//
//   node examples/regimes.mjs [--steps 800] [--seed 3] [--out regimes.svg]
//
// In the calm regime the flow of orders goes on, so the label is its sign; in the stressed one the last return reverts, so the label is against it.
// Which regime it is shows in a volatility measure alone. No model is told of regimes; with one expert for each step the router finds them.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Random } from 'flashbook/core';
import { WindowDataset } from 'flashbook/data';
import { expertUsage, PricePredictor } from 'flashbook/models';
import { lineChart, renderPicture } from 'flashbook/monitor';
import { evaluate, train } from 'flashbook/train';

const { values: flags } = parseArgs({
  options: {
    steps: { type: 'string', default: '800' },
    seed: { type: 'string', default: '3' },
    out: { type: 'string', default: 'regimes.svg' },
  },
});
const COLUMNS = ['volatility', 'flow', 'return'];
const WINDOW = 4;

/** Rows of a market whose regime lasts a hundred rows on average, or is always the same; windows end at every fourth row. */
function market(rows, seed, only) {
  const random = new Random(seed);
  const values = new Float32Array(rows * 3);
  const labels = new Int32Array(rows);
  let stressed = only === 'stressed';
  for (let row = 0; row < rows; row++) {
    if (only === undefined && random.float() < 0.01) stressed = !stressed;
    const flow = random.normal();
    const past = random.normal();
    values.set([(stressed ? 1.5 : -1.5) + 0.3 * random.normal(), flow, past], 3 * row);
    const signal = stressed ? -past : flow;
    labels[row] = signal < -0.43 ? 0 : signal > 0.43 ? 2 : 1; // a third each
  }
  const ends = Int32Array.from({ length: rows / WINDOW }, (_, i) => WINDOW * i + WINDOW - 1);
  return new WindowDataset({ values, columns: 3, names: COLUMNS, steps: WINDOW, targets: [labels], rows: ends });
}

/** All windows of a data set, one after the other. */
function windowsOf(dataset) {
  const x = new Float32Array(dataset.length * WINDOW * 3);
  dataset.batch(Int32Array.from({ length: dataset.length }, (_, i) => i), x, [new Int32Array(dataset.length)]);
  return x;
}

const parts = { train: market(12_000, 1), validation: market(2000, 2) };
const test = market(4000, 9);
const regimes = { calm: windowsOf(market(1200, 5, 'calm')), stressed: windowsOf(market(1200, 6, 'stressed')) };

const sizes = { features: 3, steps: WINDOW, dModel: 16, heads: 2, layers: 1, horizons: 1, dropout: 0 };
const dense = new PricePredictor({ ...sizes, feedForward: 16 });
const mixture = new PricePredictor({ ...sizes, feedForward: 16, experts: 2, topExperts: 1 });

const series = Object.keys(regimes).map((regime) => ({ name: `expert 0, ${regime}`, points: [] }));
const watch = {
  onEvaluation({ step }, weights) {
    for (const [i, windows] of Object.values(regimes).entries()) {
      series[i].points.push([step, expertUsage(mixture, weights(), windows)[0].shares[0]]);
    }
  },
};
const steps = Number(flags.steps);
const options = {
  ...parts,
  ...{ seed: Number(flags.seed), batch: 64, steps, learningRate: 0.01, labelSmoothing: 0 },
  evaluateEvery: Math.max(1, Math.floor(steps / 40)),
};
for (const [name, model, callbacks] of [
  ['dense', dense, []],
  ['mixture', mixture, [watch]],
]) {
  const { parameters } = await train(model, { ...options, callbacks });
  const { horizons } = await evaluate(model, parameters, test);
  const count = String(model.parameterCount()).padStart(5);
  console.log(`${name.padEnd(8)} ${count} parameters   accuracy on new rows ${(100 * horizons[0].accuracy).toFixed(1)} %`);
  if (model !== mixture) continue;
  for (const [regime, windows] of Object.entries(regimes)) {
    const [{ shares, dropped, entropy }] = expertUsage(model, parameters, windows);
    const percent = (list) => list.map((share) => `${(100 * share).toFixed(1)} %`).join(' and ');
    console.log(`  ${regime.padEnd(8)} experts take ${percent(shares)}; left out ${percent(dropped)}; router entropy ${entropy.toFixed(3)}`);
  }
}
const chart = lineChart({
  id: 'regimes',
  title: 'An expert finds its regime',
  caption: 'Share of the first of two experts in all choices, on windows of one regime alone.',
  ...{ x: 'step', y: 'share', series },
});
await writeFile(flags.out, await renderPicture(chart));
console.log(`plot     ${flags.out}`);
