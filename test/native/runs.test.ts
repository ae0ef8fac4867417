import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cpu } from '../../src/native/index.js';
import { scalePlan, writeStatePlan } from './plans.js';

const device = cpu();
const noState = device.createState([]);

/** A plan of about a quarter of a second: many passes over an array that no cache holds. */
const slowPlan = (milliseconds = 250) => {
  const elements = 1 << 20;
  const probe = device.createPlan(scalePlan(elements, 2, 10), noState);
  const x = new Float32Array(elements);
  probe.runSync([x]);
  const begin = performance.now();
  probe.runSync([x]);
  const steps = Math.ceil((10 * milliseconds) / (performance.now() - begin));
  return { plan: device.createPlan(scalePlan(elements, 2, steps), noState), x };
};

describe('asynchronous runs', () => {
  it('copy their inputs before they return', async () => {
    const plan = device.createPlan(scalePlan(2), noState);
    const x = Float32Array.of(1, 2);
    const run = plan.run([x]);
    x.fill(99);
    await run;
    expect([...plan.output(0)]).toEqual([2, 4]);
  });

  it('end in the order of the calls, each with its own outputs', async () => {
    const plans = [device.createPlan(scalePlan(100_000, 3), noState), device.createPlan(scalePlan(1, 3), noState)];
    const order: number[] = [];
    const outputs = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const plan = plans[i % 2];
        const y = new Float32Array(i % 2 === 0 ? 100_000 : 1);
        await plan.run([new Float32Array(y.length).fill(i)], [y]);
        order.push(i);
        return y;
      }),
    );
    expect(order).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(outputs.map((y, i) => y.every((value) => value === 3 * i))).toEqual(Array(60).fill(true));
  });

  it('of a sequence follow each other in one call, and end with an output that is not finite', async () => {
    const state = device.createState([{ name: 'w', dtype: 'f32', shape: [3] }]);
    const plan = device.createPlan(scalePlan(3), noState);
    const write = device.createPlan(writeStatePlan(3, 2), state);
    const sequence = async (value: number) => {
      state.set('w', Float32Array.of(1, 2, 3));
      const [first, second] = [new Float32Array(3), new Float32Array(3)];
      const made = await device.runSequence([
        { plan: write, inputs: [], outputs: [first], finite: [0] },
        { plan, inputs: [Float32Array.of(1, value, 1)], outputs: [second], finite: [0] },
        { plan: write, inputs: [] },
        { plan, inputs: [Float32Array.of(5, 5, 5)], outputs: [first] },
      ]);
      return [made, [...first], [...second], [...state.get('w')]];
    };
    expect(await sequence(4)).toEqual([4, [10, 10, 10], [2, 8, 2], [4, 8, 12]]);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(await sequence(bad)).toEqual([2, [2, 4, 6], [2, bad, 2], [2, 4, 6]]);
    }
    expect(await device.runSequence([])).toBe(0);
  });

  it('of a sequence are checked before the first begins', async () => {
    const plan = device.createPlan(scalePlan(2), noState);
    const good = { plan, inputs: [Float32Array.of(1, 2)] };
    const y = new Float32Array(2);
    for (const [bad, message] of [
      [{ plan: undefined, inputs: [] }, /expected a plan of the device cpu for runs\[1\]\.plan/],
      [{ plan, inputs: [new Float32Array(3)] }, /x/],
      [{ ...good, finite: [0] }, /wanted output/],
      [{ ...good, outputs: [y], finite: [1] }, /wanted output of dtype f32 to watch but received 1/],
    ] as const) {
      await expect(device.runSequence([good, bad as never])).rejects.toThrow(message);
    }
  });

  it('leave the event loop and the pool of libuv free', async () => {
    const { plan, x } = slowPlan();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const begin = performance.now();
    let ended = 0;
    const run = plan.run([x]).then(() => {
      ended = performance.now();
    });
    const returned = performance.now() - begin;
    await Promise.all(Array.from({ length: 8 }, () => readFile(new URL(import.meta.url))));
    const filesRead = performance.now();
    await run;
    clearInterval(timer);
    expect(returned).toBeLessThan((ended - begin) / 2);
    expect(filesRead).toBeLessThan(ended);
    expect(ticks).toBeGreaterThan(2);
  });

  it('reject when an output is detached while they run', async () => {
    const plan = device.createPlan(scalePlan(4), noState);
    const y = new Float32Array(4);
    const run = plan.run([new Float32Array(4)], [y]);
    structuredClone(y.buffer, { transfer: [y.buffer] });
    await expect(run).rejects.toThrow(/detached/);
  });

  it('are stopped by dispose, those in the queue too', async () => {
    const { plan, x } = slowPlan(1000);
    const other = device.createPlan(scalePlan(1), noState);
    const runs = [plan.run([x]), plan.run([x])];
    const last = other.run([Float32Array.of(1)]);
    await sleep(20);
    const begin = performance.now();
    plan.dispose();
    const disposed = expect.objectContaining({ code: 'DISPOSED' });
    await Promise.all(runs.map((run) => expect(run).rejects.toThrow(disposed)));
    expect(performance.now() - begin).toBeLessThan(500);
    await last;
    expect([...other.output(0)]).toEqual([2]);
  });

  it('and synchronous ones take turns on one plan and on one state', async () => {
    const state = device.createState([{ name: 'w', dtype: 'f32', shape: [1 << 16] }]);
    state.set('w', new Float32Array(1 << 16).fill(1));
    const twice = device.createPlan(writeStatePlan(1 << 16, 2), state);
    const half = device.createPlan(writeStatePlan(1 << 16, 0.5), state);
    for (let i = 0; i < 50; i++) {
      const run = twice.run([]);
      half.runSync([]);
      await run;
    }
    expect(new Set(state.get('w'))).toEqual(new Set([1]));
  });
});
