/**
 * What the CUDA kernels cost, without a GPU: registers and occupancy from the machine code (scripts/cuda-static.mjs), and from the
 * simulator what one launch does: shared-memory wavefronts and global sectors against the ideal, instructions a useful flop. A roofline
 * turns these into times for an A100, an H100 and an L4: an ESTIMATE, the largest of what memory, arithmetic and instruction
 * issue need at their published peaks. Nothing here has been timed.
 *
 *   npm run bench:cuda [-- --filter attention] [--static] [--json]
 */

import { inspectAll, printed } from '../scripts/cuda-static.mjs';
import { measure } from '../test/cuda/cost.js';
import { LAUNCHES } from '../test/cuda/launches.js';
import { build, unavailable } from '../test/cuda/simulator.js';

/** Multiprocessors, GHz, GB/s, TFLOP/s of float32 and of tensor cores in tf32 and bf16, TOP/s of int8: NVIDIA's data sheets, dense, boost clock. */
const CARDS = {
  A100: { multiprocessors: 108, clock: 1.41, bandwidth: 2039, f32: 19.5, tf32: 156, bf16: 312, int8: 624 },
  H100: { multiprocessors: 132, clock: 1.83, bandwidth: 3350, f32: 67, tf32: 494, bf16: 989, int8: 1979 },
  L4: { multiprocessors: 58, clock: 2.04, bandwidth: 300, f32: 30.3, tf32: 60, bf16: 121, int8: 242 },
};

/** Microseconds at least, by memory, by arithmetic and by issue of instructions (four a multiprocessor and cycle). */
function estimate(card, { flops, bytes, instructions, unit }) {
  return Math.max(
    bytes / card.bandwidth / 1e3,
    flops / card[unit] / 1e6,
    instructions / (card.multiprocessors * 4 * card.clock * 1e3),
  );
}

const argument = (name) =>
  process.argv.includes(name) ? (process.argv[process.argv.indexOf(name) + 1] ?? '') : undefined;

if (unavailable !== undefined) process.exit(0);
const json = process.argv.includes('--json');
const rows = [];
if (!process.argv.includes('--static')) {
  build();
  for (const launch of LAUNCHES.filter(({ name }) => name.includes(argument('--filter') ?? '')))
    rows.push({ name: launch.name, unit: launch.unit ?? 'f32', bound: launch.perProduct, ...(await measure(launch)), report: undefined });
}
const table = argument('--filter') === undefined ? inspectAll() : undefined;
if (json) {
  console.log(JSON.stringify({ static: table, dynamic: rows }));
} else {
  if (table !== undefined) console.log(`From the machine code:\n\n${printed(table)}\n`);
  if (rows.length > 0) {
    console.log(
      'From the simulator (PTX instructions of a warp; wavefronts and sectors against the ideal), and an ESTIMATE in microseconds\n' +
        '(roofline on published peaks; nothing was timed):\n',
    );
    const cards = Object.keys(CARDS).map((card) => card.padStart(9));
    console.log(
      `${'launch'.padEnd(36)} wavefronts  sectors  warp instr  instr/kflop  instr/mma (bound) ${cards.join('')}`,
    );
    for (const row of rows) {
      const times = Object.values(CARDS).map((card) => estimate(card, row).toFixed(2).padStart(9));
      const products = Number.isNaN(row.perProduct) ? '' : `${row.perProduct.toFixed(2)} (${row.bound})`;
      console.log(
        `${row.name.padEnd(36)} ${row.wavefronts.toFixed(3).padStart(10)} ${row.sectors.toFixed(3).padStart(8)} ${String(row.instructions).padStart(11)} ${row.perKiloFlop.toFixed(2).padStart(12)}  ${products.padStart(17)} ${times.join('')}`,
      );
    }
  }
}
