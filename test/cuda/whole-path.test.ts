/** The public API with device 'cuda', from training to an INT8 prediction, beside the processor. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { build, expectClean, ROOT, simulate, unavailable } from './simulator.js';
import type { WholePathAnswer } from './whole-path.child.js';

test('no step of CUDA can copy to the host or wait: only cuda/runtime does', () => {
  const found = readdirSync(join(ROOT, 'cuda'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(cc|cu|cuh|h)$/.test(file) && !/^(runtime|tests)\//.test(file))
    .filter((file) =>
      /cudaMemcpy\w*\(|Synchronize\(|copy_out\(|copy_from_device\(/.test(
        readFileSync(join(ROOT, 'cuda', file), 'utf8'),
      ),
    );
  // engine/memory.cc hands the engine's copies on; addon/features.cc reads the finished table.
  expect(found.sort()).toEqual(['addon/features.cc', 'engine/memory.cc']);
});

describe.skipIf(unavailable !== undefined)('the whole path on CUDA', () => {
  beforeAll(build, 900_000);

  const run = (precision: 'f32' | 'bf16', steps: number) =>
    simulate<WholePathAnswer>('whole-path.child.ts', { steps, precision });
  const compareLosses = ({ losses }: WholePathAnswer, steps: number, most: number): void => {
    expect(losses.cuda.length).toBe(steps);
    for (const [step, loss] of losses.cpu.entries()) {
      expect(Math.abs(losses.cuda[step] - loss), `loss of step ${step + 1}`).toBeLessThan(most);
    }
  };

  test('trains and predicts as the processor does', { timeout: 600_000 }, async () => {
    const { result, report } = await run('f32', 6);
    expect(result.device).toBe('cuda');
    compareLosses(result, 6, 2e-4);
    // Adam divides by the root of v: where a gradient is next to 0, its rounding decides the direction of a whole step.
    expect(result.weights.difference).toBeLessThan(5e-3 * result.weights.largest);
    expect(result.repeats).toBe(true);
    expect(result.logits.f32.difference).toBeLessThan(2e-5 * Math.max(1, result.logits.f32.largest));
    expect(result.logits.int8.difference).toBeLessThan(2e-3 * Math.max(1, result.logits.int8.largest));
    expectClean(report);
    const launched = Object.keys(report.kernels).join('\n');
    for (const kernel of ['attention', 'gemm', 'layer_norm', 'map_drawn', 'cross_entropy', 'update_adam', 'qgemm']) {
      expect(launched).toContain(kernel);
    }
  });

  test('trains and predicts in bf16 as the processor does', { timeout: 600_000 }, async () => {
    const { result, report } = await run('bf16', 3);
    compareLosses(result, 3, 2e-3);
    expect(result.weights.difference).toBeLessThan(2e-2 * result.weights.largest);
    expect(result.repeats).toBe(true);
    expect(result.logits.bf16.difference).toBeLessThan(2e-2 * Math.max(1, result.logits.bf16.largest));
    expectClean(report);
    const launched = Object.keys(report.kernels).join('\n');
    for (const kernel of ['gemm_tensor', 'attention_forward', 'attention_backward']) expect(launched).toContain(kernel);
    expect(launched).not.toContain('attention_forward_f32');
  });
});
