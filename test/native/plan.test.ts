import { describe, expect, it } from 'vitest';
import { cpu, type PlanSpec, runtimeInfo } from '../../src/native/index.js';

/** y = 2 · x over `elements` floats. */
export function scalePlan(elements: number, factor = 2): PlanSpec {
  const room = Math.ceil((elements * 4) / 64) * 64;
  return {
    version: 1,
    arenaBytes: 2 * room,
    tensors: [
      { name: 'x', dtype: 'f32', shape: [elements], space: 'arena', offset: 0 },
      { name: 'y', dtype: 'f32', shape: [elements], space: 'arena', offset: room },
    ],
    steps: [{ kernel: 'scale', inputs: [0], outputs: [1], attrs: { factor } }],
    inputs: [0],
    outputs: [1],
  };
}

describe('plan', () => {
  it('runs a step, now and later', async () => {
    const device = cpu();
    const state = device.createState([]);
    const plan = device.createPlan(scalePlan(3), state);
    const y = new Float32Array(3);
    plan.runSync([Float32Array.of(1, -2, 3)], [y]);
    expect([...y]).toEqual([2, -4, 6]);
    await plan.run([Float32Array.of(4, 5, 6)], [y]);
    expect([...y]).toEqual([8, 10, 12]);
    expect([...plan.output(0)]).toEqual([8, 10, 12]);
  });

  it('names the nearest kernel', () => {
    const spec = scalePlan(3);
    spec.steps[0].kernel = 'scal';
    expect(() => cpu().createPlan(spec, cpu().createState([]))).toThrow(/step 0 \(scal\).*did you mean 'scale'/);
  });

  it('runs on the highest set that there is', () => {
    const { isa, available } = runtimeInfo();
    if (!process.env.FLASHBOOK_ISA) expect(isa).toBe(available.at(-1));
  });
});
