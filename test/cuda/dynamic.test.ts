/** What one launch of each kernel costs, counted by the simulator, within bounds: bank conflicts, global sectors, instructions. */
import { beforeAll, describe, expect, test } from 'vitest';
import { measure } from './cost.js';
import { buildDriver } from './driver.js';
import { LAUNCHES } from './launches.js';
import { build, expectClean, unavailable } from './simulator.js';

describe.skipIf(unavailable !== undefined)('the cost of a launch', () => {
  beforeAll(() => {
    build();
    buildDriver();
  }, 900_000);

  test.each(LAUNCHES.map((launch) => [launch.name, launch] as const))('%s', { timeout: 300_000 }, async (_, launch) => {
    const cost = await measure(launch);
    expectClean(cost.report);
    expect(cost.wavefronts, 'wavefronts').toBeLessThanOrEqual(launch.wavefronts);
    expect(cost.sectors, 'sectors').toBeLessThanOrEqual(launch.sectors);
    if ('command' in launch) expect(cost.perProduct, 'per mma').toBeLessThan(launch.perProduct);
    else expect(cost.perKiloFlop, 'per 1000 flops').toBeLessThan(launch.perKiloFlop);
  });
});
