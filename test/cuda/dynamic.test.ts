/** What one launch of each kernel costs, counted by the simulator, within bounds: bank conflicts, global sectors, instructions. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Work } from './dynamic.child.js';
import { LAUNCHES } from './launches.js';
import { build, expectClean, simulate, unavailable } from './simulator.js';

describe.skipIf(unavailable !== undefined)('the cost of a launch', () => {
  beforeAll(build, 900_000);

  test.each(LAUNCHES.map((launch) => [launch.name, launch] as const))('%s', { timeout: 120_000 }, async (_, launch) => {
    const { result, report } = await simulate<Work>('dynamic.child.ts', launch);
    expectClean(report);
    const sum = (column: 3 | 4 | 5 | 6): number => report.per_instr.reduce((total, row) => total + row[column], 0);
    expect(sum(3), 'wavefronts').toBeLessThanOrEqual(launch.wavefronts * sum(4));
    expect(sum(5), 'sectors').toBeLessThanOrEqual(launch.sectors * sum(6));
    expect((1e3 * report.warp_instructions) / Math.max(1, result.flops), 'per 1000 flops').toBeLessThan(
      launch.perKiloFlop,
    );
  });
});
