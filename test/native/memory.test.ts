import { describe, expect, it } from 'vitest';
import { cpu } from '../../src/native/index.js';
import { readStatePlan, scalePlan } from './plans.js';

const device = cpu();

/** Growth of resident memory, in MiB, from a second batch of `times` calls after a first one that warms up. */
async function growth(times: number, body: () => void | Promise<void>): Promise<number> {
  const batch = async () => {
    for (let i = 0; i < times; i++) await body();
  };
  await batch();
  const before = process.memoryUsage().rss;
  await batch();
  return (process.memoryUsage().rss - before) / 2 ** 20;
}

// Each object below holds at least 16 KiB that are touched: lost in 10,000 rounds they would be 160 MiB or more.
describe('memory comes back', () => {
  it('from disposed plans and states', async () => {
    const x = new Float32Array(4096);
    expect(
      await growth(10_000, () => {
        const state = device.createState([{ name: 'w', dtype: 'f32', shape: [4096] }]);
        state.set('w', x);
        const plan = device.createPlan(readStatePlan(4096), state, { frozen: true });
        plan.runSync([]);
        plan.dispose();
        state.dispose();
      }),
    ).toBeLessThan(48);
  });

  it('from forgotten plans, by the garbage collector', async () => {
    const state = device.createState([]);
    const x = [new Float32Array(1 << 18)];
    const forget = (count: number) => {
      for (let i = 0; i < count; i++) device.createPlan(scalePlan(1 << 18), state).runSync(x);
    };
    forget(300); // 2 MiB each, 600 MiB in all: the collector must have seen that they are large
    await new Promise((resolve) => setImmediate(resolve));
    forget(300);
    await new Promise((resolve) => setImmediate(resolve));
    expect(process.memoryUsage().rss / 2 ** 20).toBeLessThan(900);
  });

  it('from refused plans', async () => {
    const state = device.createState([]);
    const spec = scalePlan(4096);
    spec.steps.push({ kernel: 'nothing', inputs: [], outputs: [], attrs: {} });
    const refuse = () => expect(() => device.createPlan(spec, state)).toThrow();
    expect(await growth(5_000, refuse)).toBeLessThan(48);
  });

  it('from runs', async () => {
    const plan = device.createPlan(scalePlan(4096), device.createState([]));
    const x = [new Float32Array(4096)];
    const y = [new Float32Array(4096)];
    expect(await growth(5_000, () => plan.run(x, y))).toBeLessThan(48);
    expect(await growth(10_000, () => plan.runSync(x, y))).toBeLessThan(16);
    const wrong = [new Float32Array(4095)];
    expect(await growth(5_000, () => plan.run(wrong).catch(() => {}))).toBeLessThan(16);
  });
});
