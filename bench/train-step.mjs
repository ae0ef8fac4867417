// One training step of the price predictor, kernel by kernel, against the machine's measured FMA peak.
//
//   npm run build:native && node --import ./test/typescript-hooks.mjs bench/train-step.mjs [--batch 64] [--steps 100] [--features 80] [--threads N] [--repeats 10] [--top 25]
import { parseArgs } from 'node:util';
import { measurePeaks } from '../src/bench/peaks.js';
import { constants, stateSpecs } from '../src/graph/index.js';
import { PricePredictor } from '../src/models/index.js';
import { cpu, runtimeInfo, setThreads } from '../src/native/index.js';
import { initialise } from '../src/nn/index.js';
import { adamW } from '../src/optim/index.js';
import { evaluationGraph, gradientGraph } from '../src/train/index.js';

const { values } = parseArgs({
  options: {
    batch: { type: 'string', default: '64' },
    steps: { type: 'string', default: '100' },
    features: { type: 'string', default: '80' },
    threads: { type: 'string', default: String(runtimeInfo().threads) },
    repeats: { type: 'string', default: '10' },
    top: { type: 'string', default: '25' },
  },
});
const { batch, steps, features, threads, repeats, top } = /** @type {Record<keyof typeof values, number>} */ (
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]))
);
setThreads(threads);

const model = new PricePredictor({ features, steps });
const shape = { batch, steps, columns: features };
const gradients = gradientGraph(model, shape, { labelSmoothing: 0.1, horizonWeights: [1, 1, 1] });
const evaluation = evaluationGraph(model, shape);
const optimizer = adamW();
const parameters = model.parameters();

const device = cpu();
const state = device.createState([...stateSpecs(gradients.graph, evaluation.graph), ...optimizer.states(parameters)]);
for (const [name, data] of [...constants(gradients.graph, evaluation.graph), ...initialise(model, 1)])
  state.set(name, data);
const gradientPlan = device.createPlan(gradients.compile(), state);
const evaluationPlan = device.createPlan(evaluation.compile(), state);
const update = optimizer.bind(device, state, parameters);

let seed = 1;
const noise = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return seed / 2 ** 31;
};
const x = Float32Array.from({ length: batch * steps * features }, noise);
const targets = [0, 1, 2].map((h) => Int32Array.from({ length: batch }, (_, i) => (i + h) % 3));
const rng = Uint32Array.of(1, 0, 1, 0);
const logits = [0, 1, 2].map(() => new Float32Array(batch * 3));
const loss = new Float32Array(1);

/** @type {{ name: string, plans: readonly import('../src/native/index.js').Plan[], run: () => Promise<unknown> }[]} */
const parts = [
  {
    name: 'gradients',
    plans: [gradientPlan],
    run: () => gradientPlan.run([x, ...targets, rng], [...logits, loss]),
  },
  {
    name: 'update',
    plans: update.plans,
    run: () => update.step({ step: 1, learningRate: 1e-4, gradients: async () => {} }),
  },
  { name: 'evaluation', plans: [evaluationPlan], run: () => evaluationPlan.run([x], logits) },
];

const peak = measurePeaks(threads).f32;
console.log(`${runtimeInfo().cpu}, ${gradientPlan.isa}, ${threads} threads, FMA peak ${peak.toFixed(0)} GFLOP/s`);
console.log(`batch ${batch}, ${steps} steps, ${features} features, ${model.parameterCount()} parameters`);
const memory = gradientPlan.memory();
console.log(`arena ${mebi(memory.arenaBytes)}, workspace ${mebi(memory.workspaceBytes)}, state ${mebi(state.bytes)}\n`);

for (const { name, plans, run } of parts) {
  for (let i = 0; i < 3; i++) await run();
  const times = [];
  /** @type {import('../src/native/index.js').StepProfile[]} each step's fastest run: other processes only ever add time */
  let entries = [];
  const cpuBefore = process.cpuUsage();
  for (let i = 0; i < repeats; i++) {
    for (const plan of plans) plan.setProfiling(true);
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
    const profile = plans.flatMap((plan) => plan.profile());
    entries = profile.map((step, s) => (step.nanoseconds < (entries[s]?.nanoseconds ?? Infinity) ? step : entries[s]));
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  times.sort((a, b) => a - b);
  const flops = entries.reduce((sum, entry) => sum + entry.flops, 0);
  const median = times[times.length >> 1];
  const rate = flops / median / 1e6;
  console.log(
    `${name}: ${median.toFixed(2)} ms a run (fastest ${times[0].toFixed(2)}, processor time ${((user + system) / repeats / 1e3).toFixed(2)}), ` +
      `${entries.length} steps, ` +
      `${(flops / 1e9).toFixed(2)} GFLOP, ${rate.toFixed(1)} GFLOP/s = ${((100 * rate) / peak).toFixed(0)} % of peak`,
  );
  table(group(entries, ({ kernel }) => kernel));
  console.log();
  if (name === 'gradients') {
    table(group(entries, ({ label }) => label).slice(0, top));
    console.log();
  }
}

/**
 * Sums of profile entries that share a key, the slowest first.
 * @param {readonly import('../src/native/index.js').StepProfile[]} entries
 * @param {(entry: import('../src/native/index.js').StepProfile) => string} keyOf
 */
function group(entries, keyOf) {
  const groups = new Map();
  for (const entry of entries) {
    const key = keyOf(entry);
    const sum = groups.get(key) ?? { key, steps: 0, ms: 0, flops: 0, bytes: 0 };
    sum.steps++;
    sum.ms += entry.nanoseconds / entry.calls / 1e6;
    sum.flops += entry.flops;
    sum.bytes += entry.bytes;
    groups.set(key, sum);
  }
  return [...groups.values()].sort((a, b) => b.ms - a.ms);
}

/** @param {ReturnType<typeof group>} rows */
function table(rows) {
  const total = rows.reduce((sum, { ms }) => sum + ms, 0);
  const width = Math.max(...rows.map(({ key }) => key.length));
  console.log(`${'kernel'.padEnd(width)}  steps      ms   share   GFLOP/s  of peak    GB/s`);
  for (const { key, steps: count, ms, flops, bytes } of rows) {
    const rate = flops / ms / 1e6;
    const cells = [
      String(count).padStart(5),
      ms.toFixed(3).padStart(7),
      `${((100 * ms) / total).toFixed(1)} %`.padStart(7),
      rate.toFixed(1).padStart(9),
      `${((100 * rate) / peak).toFixed(0)} %`.padStart(8),
      (bytes / ms / 1e6).toFixed(1).padStart(7),
    ];
    console.log(`${key.padEnd(width)}  ${cells.join(' ')}`);
  }
}

/** @param {number} bytes */
function mebi(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
