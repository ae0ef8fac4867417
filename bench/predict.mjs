// Latency of one prediction of the price predictor: native against ONNX Runtime, float32 and int8, 1 and 2 threads.
//
//   npm run build:native && node --import ./test/typescript-hooks.mjs bench/predict.mjs [--batch 1] [--features 6] [--runs 200] [--rounds 5] [--json FILE]
//
// ONNX Runtime's time is that of session.run in its worker, without the messages; native is predictSync without the checks of its
// input. Contenders take turns, alone on the machine: each opens, warms up, runs and closes in every round. A fixed piece of
// arithmetic runs before and after each turn; where it took much longer than at its best the machine was busy: look at the
// minimum then, or measure again. int8 (tensor) is ONNX Runtime's fastest form, one scale for all rows, as its own
// quantize_dynamic writes it; int8 (row) is what artefacts hold and computes what the native core does.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { buildArtefact, inferenceGraph } from '../src/export/artefact.js';
import { exportOnnx } from '../src/export/onnx/export-graph.js';
import { perTensorActivations } from '../src/export/onnx/per-tensor-quantisation.js';
import { PricePredictor } from '../src/models/index.js';
import { runtimeInfo } from '../src/native/index.js';
import { initialise } from '../src/nn/index.js';
import { loadPredictor } from '../src/predict/load.js';
import { OnnxSession } from '../src/predict/onnx-session.js';

const { values } = parseArgs({
  options: {
    batch: { type: 'string', default: '1' },
    features: { type: 'string', default: '6' },
    runs: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const [batch, features, runs, rounds] = [values.batch, values.features, values.runs, values.rounds].map(Number);

const model = new PricePredictor({ features });
const { steps } = model.options;
let seed = 1;
const noise = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return seed / 2 ** 30;
};
/** @param {'f32' | 'int8'} precision */
const options = (precision) => ({
  model,
  parameters: initialise(model, 1),
  scaler: { mean: new Float32Array(features), inverseStd: new Float32Array(features).fill(1) },
  featureSet: [],
  featureNames: Array.from({ length: features }, (_, i) => `feature${i}`),
  label: {},
  horizons: [10, 50, 100],
  classes: ['down', 'flat', 'up'],
  card: { name: 'bench', createdAt: '2026-01-01T00:00:00Z', dataSource: 'noise', seed: 1, metrics: {} },
  precision,
  golden: Float32Array.from({ length: steps * features }, noise),
});
const artefacts = { f32: await buildArtefact(options('f32')), int8: await buildArtefact(options('int8')) };
const int8 = inferenceGraph(options('int8'), 1);
const perTensor = exportOnnx(int8.graph, {
  name: 'int8 (tensor)',
  docString: '',
  producerVersion: '0',
  state: int8.state,
  rules: { qlinear: perTensorActivations },
});
const windows = Float32Array.from({ length: batch * steps * features }, noise);
const shape = [batch, steps, features];

/** @typedef {{ run: () => number, close: () => Promise<void> }} Turn  run() returns nanoseconds */
/** @type {{ name: string, backend: 'native' | 'onnx', precision: string, threads: number, open: () => Promise<Turn>, times: number[] }[]} */
const contenders = [];
for (const threads of [1, 2]) {
  for (const precision of /** @type {const} */ (['f32', 'int8'])) {
    for (const backend of /** @type {const} */ (['native', 'onnx'])) {
      contenders.push({
        name: `${backend === 'native' ? 'native' : 'ONNX Runtime'} ${precision}${backend === 'onnx' && precision === 'int8' ? ' (row)' : ''}`,
        backend,
        precision,
        threads,
        times: [],
        open: async () => {
          const predictor = await loadPredictor(artefacts[precision], { backend, threads, verify: false });
          const out = predictor.predictSync(windows);
          return { run: () => predictor.predictSync(windows, { out }).runNs, close: () => predictor.dispose() };
        },
      });
    }
  }
  contenders.push({
    name: 'ONNX Runtime int8 (tensor)',
    backend: 'onnx',
    precision: 'int8',
    threads,
    times: [],
    open: async () => {
      const session = await OnnxSession.open(perTensor, { threads });
      return { run: () => session.runSync(windows, shape, batch * 9).runNs, close: () => session.close() };
    },
  });
}

/** Nanoseconds of a fixed piece of arithmetic: the same every time on a machine that does nothing else. */
function yardstick() {
  const start = process.hrtime.bigint();
  let sum = 0;
  for (let i = 1; i < 1_000_000; i++) sum += 1 / i;
  return sum > 0 ? Number(process.hrtime.bigint() - start) : 0;
}

const yardsticks = [];
for (let i = 0; i < 5; i++) yardstick();
for (let round = 0; round < rounds; round++) {
  for (const contender of contenders) {
    const turn = await contender.open();
    for (let i = 0; i < 10; i++) turn.run();
    yardsticks.push(yardstick());
    for (let i = 0; i < runs; i++) contender.times.push(turn.run());
    yardsticks.push(yardstick());
    await turn.close();
  }
}

/** @param {number[]} sorted @param {number} q */
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
const rows = contenders.map(({ name, backend, precision, threads, times }) => {
  times.sort((a, b) => a - b);
  const ms = (/** @type {number} */ q) => quantile(times, q) / 1e6;
  return { name, backend, precision, threads, minMs: ms(0), medianMs: ms(0.5), p99Ms: ms(0.99) };
});
yardsticks.sort((a, b) => a - b);
const busy = quantile(yardsticks, 0.9) / yardsticks[0];

const { cpu, isa } = runtimeInfo();
console.log(
  `${cpu}, ${isa}; batch ${batch} of ${steps} × ${features}; ${runs * rounds} runs each, in ${rounds} rounds`,
);
console.log(
  `yardstick: nine in ten within ${busy.toFixed(2)} × of the best${busy > 1.1 ? ': the machine was busy, look at the minima' : ''}`,
);
console.log(
  '                              threads     min ms  median ms     p99 ms   native is faster by (min, median)',
);
for (const row of rows) {
  const native = rows.find((r) => r.backend === 'native' && r.precision === row.precision && r.threads === row.threads);
  const ratio =
    row.backend === 'onnx' && native
      ? `${(row.minMs / native.minMs).toFixed(2)} ×  ${(row.medianMs / native.medianMs).toFixed(2)} ×`
      : '';
  const numbers = [row.minMs, row.medianMs, row.p99Ms].map((value) => value.toFixed(3).padStart(10)).join(' ');
  console.log(`${row.name.padEnd(30)}${String(row.threads).padStart(7)} ${numbers}   ${ratio}`);
}
if (values.json) writeFileSync(values.json, `${JSON.stringify({ cpu, isa, batch, busy, rows }, null, 2)}\n`);
