// The kernels of recurrent and convolutional models, forward and backward, against the machine's measured FMA peak.
//
//   npm run build:native && node --import ./test/typescript-hooks.mjs bench/sequence.mjs [--threads 1] [--isa avx2] [--repeats 9]
//
// Each row is a graph of one layer and its gradient; the plan's own profile says what each step took (by the clock, median of
// `repeats` runs). The matrix products of the same sizes stand beside them: what a convolution or an LSTM could reach at best.
import { parseArgs } from 'node:util';
import { measurePeaks } from '../src/bench/peaks.js';
import {
  compilePlan,
  constants,
  conv1d,
  conv2d,
  differentiate,
  Graph,
  linear,
  lstm,
  matmul,
  stateSpecs,
} from '../src/graph/index.js';
import { cpu, runtimeInfo, setThreads } from '../src/native/index.js';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: String(runtimeInfo().threads) },
    isa: { type: 'string' },
    repeats: { type: 'string', default: '9' },
  },
});
const threads = Number(values.threads);
const isa = /** @type {import('../src/native/index.js').Isa | undefined} */ (values.isa);
setThreads(threads);

/** @typedef {import('../src/graph/index.js').Tensor} Tensor */
/** @type {{ name: string, x: number[], weights: number[][], layer: (x: Tensor, weights: Tensor[]) => Tensor }[]} */
const LAYERS = [
  {
    name: 'LSTM 64 × 100, 128 → 128',
    x: [64, 100, 128],
    weights: [[512, 128], [512, 128], [512]],
    layer: (x, [wHidden, wInput, bias]) => lstm(x, { wHidden, wInput, bias }),
  },
  {
    name: 'linear of its input, 6400 × 128 → 512',
    x: [6400, 128],
    weights: [[512, 128], [512]],
    layer: (x, [w, bias]) => linear(x, w, bias),
  },
  {
    name: 'conv1d 64 × 100, 64 → 64, 3 taps, dilation 4',
    x: [64, 100, 64],
    weights: [[64, 1, 3, 64], [64]],
    layer: (x, [w, bias]) => conv1d(x, w, bias, { dilation: 4, padding: [8, 0] }),
  },
  {
    name: 'conv2d 64 × 97 × 20, 32 → 32, 4 × 1 taps',
    x: [64, 97, 20, 32],
    weights: [[32, 4, 1, 32], [32]],
    layer: (x, [w, bias]) => conv2d(x, w, bias),
  },
  {
    name: 'linear of its windows, 6400 × 192 → 64',
    x: [6400, 192],
    weights: [[64, 192], [64]],
    layer: (x, [w, bias]) => linear(x, w, bias),
  },
];

const peak = measurePeaks(threads).f32;
console.log(
  `${runtimeInfo().cpu}, ${isa ?? runtimeInfo().isa}, ${threads} threads, FMA peak ${peak.toFixed(1)} GFLOP/s\n`,
);
for (const { name, x, weights, layer } of LAYERS) {
  console.log(name);
  for (const { kernel, ms, rate } of measure(x, weights, layer)) {
    const share = `${((100 * rate) / peak).toFixed(0)} %`;
    console.log(
      `  ${kernel.padEnd(22)} ${ms.toFixed(3).padStart(9)} ms ${rate.toFixed(1).padStart(8)} GFLOP/s ${share.padStart(6)}`,
    );
  }
}

/**
 * @param {number[]} xShape
 * @param {number[][]} weightShapes
 * @param {(x: Tensor, weights: Tensor[]) => Tensor} layer
 */
function measure(xShape, weightShapes, layer) {
  const graph = new Graph();
  const x = graph.state('x', xShape, 'f32', { trainable: true });
  const y = layer(
    x,
    weightShapes.map((shape, i) => graph.state(`w${i}`, shape, 'f32', { trainable: true })),
  );
  const size = y.shape.reduce((a, b) => a * b, 1);
  const loss = matmul(y.reshape([1, size]), graph.state('c', [size, 1]));
  graph.output('loss', loss);
  for (const [parameter, gradient] of differentiate(graph, loss)) {
    graph.state(`grad/${parameter}`, gradient.shape);
    graph.update(`grad/${parameter}`, gradient);
  }
  const state = cpu().createState(stateSpecs(graph));
  for (const [constant, data] of constants(graph)) state.set(constant, data);
  for (const { name: buffer, shape } of state.specs) {
    if (!buffer.startsWith('constant')) state.set(buffer, noise(shape.reduce((a, b) => a * b, 1)));
  }
  const plan = cpu().createPlan(compilePlan(graph), state, { isa });
  plan.runSync([]);
  /** @type {Map<string, { flops: number, times: number[] }>} */
  const steps = new Map();
  for (let i = 0; i < Number(values.repeats); i++) {
    plan.setProfiling(true);
    plan.runSync([]);
    for (const [at, step] of plan.profile().entries()) {
      const known = steps.get(`${at} ${step.kernel}`) ?? { flops: step.flops, times: [] };
      known.times.push(step.nanoseconds / 1e6);
      steps.set(`${at} ${step.kernel}`, known);
    }
  }
  plan.dispose();
  state.dispose();
  return [...steps]
    .filter(([, { flops }]) => flops > 2e7)
    .map(([label, { flops, times }]) => {
      const ms = times.sort((a, b) => a - b)[times.length >> 1];
      return { kernel: label.split(' ')[1], ms, rate: flops / ms / 1e6 };
    });
}

/** @param {number} count */
function noise(count) {
  let seed = 1;
  return Float32Array.from({ length: count }, () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    return seed / 2 ** 33;
  });
}
