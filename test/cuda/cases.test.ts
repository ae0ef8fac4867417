/** Every operation over the rows of the case table, executed on CUDA by the simulator, against the float64 interpreter. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { CasesAnswer } from './cases.child.js';
import { build, expectClean, simulate, unavailable } from './simulator.js';

describe.skipIf(unavailable !== undefined)('the case table on CUDA', () => {
  beforeAll(build, 900_000);

  test('agrees with float64', { timeout: 600_000 }, async () => {
    const { result, report } = await simulate<CasesAnswer>('cases.child.ts', {});
    expect(result.differences).toEqual([]);
    expect(Object.keys(result.ran).length).toBeGreaterThan(10);
    expectClean(report);
  });
});
