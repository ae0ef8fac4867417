/** What the case table does not hold: updates of lists of tensors, features of books, and what a plan with wrong operands is told. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { FeaturesAnswer } from './features.child.js';
import type { OperandsAnswer } from './operands.child.js';
import type { OptimAnswer } from './optim.child.js';
import { build, expectClean, simulate, unavailable } from './simulator.js';

describe.skipIf(unavailable !== undefined)('kernels of CUDA', () => {
  beforeAll(build, 900_000);

  test('update lists of tensors as the processor does', { timeout: 300_000 }, async () => {
    const { result, report } = await simulate<OptimAnswer>('optim.child.ts', {});
    expect(result.differences).toEqual([]);
    expect(new Set(result.ran).size).toBeGreaterThanOrEqual(8);
    expectClean(report);
  });

  test('extract features to the bit of the processor', { timeout: 300_000 }, async () => {
    const { result, report } = await simulate<FeaturesAnswer>('features.child.ts', {});
    expect(result.differences).toEqual([]);
    expect(result.values).toBeGreaterThan(100_000);
    expectClean(report);
    for (const kernel of ['scan_segments', 'write_rows']) {
      const launches = Object.entries(report.kernels).filter(([name]) => name.includes(kernel));
      expect(
        launches.reduce((sum, [, n]) => sum + n, 0),
        kernel,
      ).toBe(3);
    }
  });

  test('refuse wrong operands with the words of the processor', { timeout: 300_000 }, async () => {
    const { result } = await simulate<OperandsAnswer>('operands.child.ts', {});
    expect(result.disagreements).toEqual([]);
    expect(result.refused).toBeGreaterThan(1000);
    expect(result.bound).toBeGreaterThan(50);
    expect(result.absent).toBe("step 0 (conv2d): there is no such kernel on CUDA, use device 'cpu'");
  });
});
