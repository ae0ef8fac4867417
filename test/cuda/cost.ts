/** What one launch costs, counted by the simulator. */
import { Random } from '../../src/core/random.js';
import { KernelScript } from './driver.js';
import type { Work } from './dynamic.child.js';
import { type BoundLaunch, FLOPS_OF_PRODUCT, type ProductLaunch } from './launches.js';
import { type Report, simulate } from './simulator.js';

export interface Cost extends Work {
  instructions: number;
  /** Shared-memory wavefronts and global sectors against the ideal. */
  wavefronts: number;
  sectors: number;
  perKiloFlop: number;
  /** NaN for what is not of the tensor cores. */
  perProduct: number;
  report: Report;
}

export async function measure(launch: BoundLaunch): Promise<Cost> {
  const { result, report } =
    'command' in launch
      ? { result: launch.work, report: runProduct(launch) }
      : await simulate<Work>('dynamic.child.ts', launch);
  const sum = (column: 3 | 4 | 5 | 6): number => report.per_instr.reduce((total, row) => total + row[column], 0);
  const instructions = report.warp_instructions;
  return {
    ...result,
    instructions,
    wavefronts: sum(3) / Math.max(1, sum(4)),
    sectors: sum(5) / Math.max(1, sum(6)),
    perKiloFlop: (1e3 * instructions) / Math.max(1, result.flops),
    perProduct:
      'command' in launch ? instructions / (result.flops / FLOPS_OF_PRODUCT[launch.unit ?? 'f32']) : Number.NaN,
    report,
  };
}

function runProduct({ command, sizes, reads, writes, int8 = [] }: ProductLaunch): Report {
  const random = new Random(1);
  const script = new KernelScript();
  const buffers: Record<string, string> = {};
  for (const [name, length] of Object.entries(reads)) {
    buffers[name] = script.load(
      int8.includes(name)
        ? Int8Array.from({ length }, () => random.below(255) - 127)
        : Float32Array.from({ length }, () => random.normal()),
    );
  }
  for (const [name, length] of Object.entries(writes)) buffers[name] = script.alloc(4 * length);
  script.call(command, { ...sizes, ...buffers });
  return script.run();
}
