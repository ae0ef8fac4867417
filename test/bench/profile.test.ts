import { describe, expect, it } from 'vitest';
import { byKernel, profile, profileTables } from '../../src/bench/index.js';

describe('profile', () => {
  it('times every step of a prediction', async () => {
    const found = await profile({ precision: 'int8', batch: 2, threads: 1, repeats: 2 });
    expect(found.subject).toBe('prediction, PricePredictor, int8');
    expect(found.steps.filter(({ kernel, bound }) => kernel === 'qlinear' && bound === 'int8').length).toBeGreaterThan(
      10,
    );
    expect(new Set(found.steps.map(({ label }) => label)).size).toBe(found.steps.length);
    expect(found.steps.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    expect(found.steps.every(({ ms, flops, bytes }) => ms >= 0 && flops >= 0 && bytes >= 0)).toBe(true);
    expect(found.flops).toBe(found.steps.reduce((sum, { flops }) => sum + flops, 0));
    expect(found.packedBytes).toBeGreaterThan(0);

    const groups = byKernel(found.steps, found.peaks);
    expect(groups.reduce((sum, { calls }) => sum + calls, 0)).toBe(found.steps.length);
    expect(groups.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(found.stepsMs);

    const [kernels, steps] = profileTables(found, { top: 5 });
    expect(kernels.rows.map(([kernel]) => kernel)).toContain('attention');
    expect(steps.rows).toHaveLength(5);
    expect(steps.rows[0][0]).toMatch(/^(qlinear|attention)/);
  });

  it('times gradients and update of a training step', async () => {
    const { steps, subject } = await profile({ what: 'train', batch: 2, threads: 1, repeats: 1 });
    expect(subject).toMatch(/training step/);
    const kernels = new Set(steps.map(({ kernel }) => kernel));
    for (const kernel of ['linear', 'matmul', 'attention_grad', 'layer_norm_grad']) expect(kernels).toContain(kernel);
    expect([...kernels].some((kernel) => /adam/.test(kernel))).toBe(true);
  });

  it('times a training step in bf16', async () => {
    const { steps } = await profile({ what: 'train', precision: 'bf16', batch: 2, threads: 1, repeats: 1 });
    expect(new Set(steps.map(({ bound }) => bound))).toEqual(new Set(['f32', 'bf16']));
  });

  it('runs with the instruction set that is asked for', async () => {
    expect((await profile({ isa: 'scalar', threads: 1, repeats: 1 })).isa).toBe('scalar');
  });

  it('refuses what makes no sense', async () => {
    await expect(profile({ what: 'dream' as 'train' })).rejects.toThrow(/one of 'predict', 'train'/);
    await expect(profile({ artefact: 'x.fbk', precision: 'int8' })).rejects.toThrow(/none beside an artefact/);
    await expect(profile({ repeats: 0 })).rejects.toThrow(/repeats/);
    await expect(profile({ bath: 3 } as object)).rejects.toThrow(/did you mean 'batch'/);
  });
});
