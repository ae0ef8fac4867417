// Matrix products, forward and backward, float32, bf16 and int8, as one-step plans, against the machine's measured peak of the precision.
//
//   npm run build:native && node --import ./test/typescript-hooks.mjs bench/gemm.mjs [--threads 1] [--isa avx2] [--repeats 9] [--only dw]
//
// Each shape runs alone, warm, `repeats` times; the table shows the median run by the clock, and the median and the best by
// processor time, which says what the kernel does where other processes share the machine (threads that wait for work spin,
// so read it with one thread). Peaks are those of --isa; bf16 without an instruction of its own is held against float32's.
import { parseArgs } from 'node:util';
import { measurePeaks } from '../src/bench/peaks.js';
import { cpu, DTYPE_BYTES, runtimeInfo, setThreads } from '../src/native/index.js';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: String(runtimeInfo().threads) },
    isa: { type: 'string' },
    repeats: { type: 'string', default: '9' },
    only: { type: 'string', default: '' },
  },
});
const threads = Number(values.threads);
const repeats = Number(values.repeats);
const isa = /** @type {import('../src/native/index.js').Isa | undefined} */ (values.isa);
setThreads(threads);

/** @typedef {{ name: string, kernel: string, m: number, n: number, k: number, frozen?: boolean, attrs?: Record<string, boolean | string>, operands: [number[], number[]] }} Case */

/** @type {Case[]} */
const cases = [];
const layers = [
  [128, 128],
  [384, 128],
  [1024, 128],
  [128, 1024],
  [512, 512],
];
/** @type {(name: string, m: number, n: number, k: number, frozen: boolean) => void} */
const forward = (name, m, n, k, frozen) =>
  void cases.push({
    name,
    kernel: 'linear',
    m,
    n,
    k,
    frozen,
    operands: [
      [m, k],
      [n, k],
    ],
  });
/** @type {(name: string, m: number, n: number, k: number) => void} */
const int8 = (name, m, n, k) =>
  void cases.push({
    name,
    kernel: 'qlinear',
    m,
    n,
    k,
    frozen: true,
    operands: [
      [m, k],
      [n, k],
    ],
  });

forward('square', 1024, 1024, 1024, false);
for (const [n, k] of layers) {
  forward('forward', 6400, n, k, false);
  cases.push({
    name: 'dx',
    kernel: 'matmul',
    m: 6400,
    n: k,
    k: n,
    operands: [
      [6400, n],
      [n, k],
    ],
  });
  cases.push({
    name: 'dw',
    kernel: 'matmul',
    m: n,
    n: k,
    k: 6400,
    attrs: { transA: true },
    operands: [
      [6400, n],
      [6400, k],
    ],
  });
}
for (const m of [100, 16, 1]) for (const [n, k] of layers) forward('frozen', m, n, k, true);
for (const one of [...cases])
  cases.push({ ...one, name: `bf16 ${one.name}`, attrs: { ...one.attrs, precision: 'bf16' } });
for (const m of [6400, 100, 16, 1]) for (const [n, k] of layers) int8('int8', m, n, k);

const peaks = measurePeaks(threads, isa);
console.log(
  `${runtimeInfo().cpu}, ${isa ?? runtimeInfo().isa}, ${threads} threads, peaks ${peaks.f32.toFixed(0)} float32, ${peaks.bf16?.toFixed(0) ?? 'no'} bf16, ${peaks.int8.toFixed(0)} int8 GFLOP/s\n`,
);
console.log(
  `${'product'.padEnd(12)} ${'m × n × k'.padEnd(20)} ${'median ms'.padStart(10)} ${'GFLOP/s'.padStart(9)} ${'of peak'.padStart(8)} ${'processor'.padStart(10)} ${'best'.padStart(7)}`,
);
for (const one of cases) {
  if (!one.name.includes(values.only)) continue;
  const { clock, processor } = measure(one);
  const peak =
    one.kernel === 'qlinear' ? peaks.int8 : one.attrs?.precision === 'bf16' ? (peaks.bf16 ?? peaks.f32) : peaks.f32;
  const rate = (/** @type {number} */ ms) => (2 * one.m * one.n * one.k) / ms / 1e6;
  const share = (/** @type {number} */ ms) => `${((100 * rate(ms)) / peak).toFixed(0)} %`;
  const median = clock[repeats >> 1];
  console.log(
    `${one.name.padEnd(12)} ${`${one.m} × ${one.n} × ${one.k}`.padEnd(20)} ${median.toFixed(4).padStart(10)} ` +
      `${rate(median).toFixed(1).padStart(9)} ${share(median).padStart(8)} ` +
      `${share(processor[repeats >> 1] / threads).padStart(10)} ${share(processor[0] / threads).padStart(7)}`,
  );
}

/**
 * Milliseconds of one run in rising order, by the clock and of processor time. All operands but the result are state, so that a
 * run copies nothing in or out.
 * @param {Case} one
 */
function measure({ kernel, m, n, frozen = false, attrs = {}, operands }) {
  const quantised = kernel === 'qlinear';
  /** @type {import('../src/native/index.js').StateSpec[]} */
  const states = [
    { name: 'a', dtype: 'f32', shape: operands[0] },
    { name: 'b', dtype: quantised ? 'i8' : 'f32', shape: operands[1] },
  ];
  if (quantised) states.push({ name: 'scale', dtype: 'f32', shape: [n] });
  /** @type {import('../src/native/index.js').PlanTensor[]} */
  const tensors = states.map((state) => ({ ...state, space: 'state', offset: 0 }));
  tensors.push({ name: 'y', dtype: 'f32', shape: [m, n], space: 'arena', offset: 0 });
  const arenaBytes = Math.ceil((m * n * 4) / 64) * 64;
  const y = tensors.length - 1;
  const steps = [{ kernel, inputs: states.map((_, i) => i), outputs: [y], attrs }];
  const state = cpu().createState(states);
  for (const { name, shape, dtype } of states) state.set(name, noise(size(shape), DTYPE_BYTES[dtype] === 1));
  const plan = cpu().createPlan({ version: 1, arenaBytes, tensors, steps, inputs: [], outputs: [y] }, state, {
    frozen,
    isa,
  });
  plan.runSync([]);
  const before = performance.now();
  plan.runSync([]);
  const runs = Math.max(2, Math.round(15 / (performance.now() - before)));
  const clock = [];
  const processor = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    const cpuStart = process.cpuUsage();
    for (let j = 0; j < runs; j++) plan.runSync([]);
    const { user, system } = process.cpuUsage(cpuStart);
    clock.push((performance.now() - start) / runs);
    processor.push((user + system) / 1e3 / runs);
  }
  plan.dispose();
  state.dispose();
  return { clock: clock.sort((u, v) => u - v), processor: processor.sort((u, v) => u - v) };
}

/** @param {number[]} shape */
function size(shape) {
  return shape.reduce((product, length) => product * length, 1);
}

/**
 * @param {number} count
 * @param {boolean} bytes
 */
function noise(count, bytes) {
  let seed = 1;
  const next = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    return seed / 2 ** 31;
  };
  if (bytes) return Int8Array.from({ length: count }, () => Math.round(127 * next()));
  return Float32Array.from({ length: count }, next);
}
