import { afterEach, describe, expect, it } from 'vitest';
import { FlashbookError } from '../../src/core/errors.js';
import { cpu, type Plan, runtimeInfo, setThreads } from '../../src/native/index.js';
import { linearPlan, readStatePlan, scalePlan, writeStatePlan } from './plans.js';

const device = cpu();
const noState = device.createState([]);

describe('running a plan', () => {
  it('writes the outputs in place and keeps them for output()', async () => {
    const plan = device.createPlan(scalePlan(3), noState);
    const y = new Float32Array(3);
    plan.runSync([Float32Array.of(1, -2, 3)], [y]);
    expect([...y]).toEqual([2, -4, 6]);
    await plan.run([Float32Array.of(4, 5, 6)], [y]);
    expect([...y]).toEqual([8, 10, 12]);
    plan.runSync([Float32Array.of(7, Number.NaN, Number.POSITIVE_INFINITY)]);
    expect([...plan.output(0)]).toEqual([14, Number.NaN, Number.POSITIVE_INFINITY]);
    const out = new Float32Array(3);
    expect(plan.output(0, out)).toBe(out);
  });

  it('writes into a view that begins in the middle of a buffer', async () => {
    const plan = device.createPlan(scalePlan(2), noState);
    const whole = new Float32Array(6).fill(9);
    plan.runSync([Float32Array.of(1, 2)], [whole.subarray(1, 3)]);
    await plan.run([whole.subarray(1, 3)], [whole.subarray(3, 5)]);
    expect([...whole]).toEqual([9, 2, 4, 4, 8, 9]);
  });

  it('works without steps, inputs or outputs', () => {
    const plan = device.createPlan(
      { version: 1, arenaBytes: 0, tensors: [], steps: [], inputs: [], outputs: [] },
      noState,
    );
    plan.runSync([], []);
    expect(plan.memory()).toEqual({ arenaBytes: 0, workspaceBytes: 0, packedBytes: 0 });
  });

  it('counts time a step only while it is asked to', () => {
    const plan = device.createPlan(scalePlan(4096, 2, 3), noState);
    const run = () => plan.runSync([new Float32Array(4096)]);
    run();
    expect(plan.profile().map((step) => step.calls)).toEqual([0, 0, 0]);
    plan.setProfiling(true);
    run();
    run();
    plan.setProfiling(false);
    run();
    expect(plan.profile().map((step) => step.calls)).toEqual([0, 0, 0]);
    plan.setProfiling(true);
    run();
    const [first] = plan.profile();
    expect(first).toMatchObject({ kernel: 'scale', label: 'y', calls: 1, flops: 4096 });
    expect(first.nanoseconds).toBeGreaterThan(0);
  });

  it('refuses use after dispose, and disposing twice is fine', async () => {
    const plan = device.createPlan(scalePlan(3), noState);
    plan.dispose();
    plan.dispose();
    const disposed = expect.objectContaining({ code: 'DISPOSED' });
    expect(() => plan.runSync([new Float32Array(3)])).toThrow(disposed);
    expect(() => plan.output(0)).toThrow(disposed);
    expect(() => plan.memory()).toThrow(disposed);
    await expect(plan.run([new Float32Array(3)])).rejects.toThrow(disposed);
    {
      using scoped = device.createPlan(scalePlan(3), noState);
      expect(scoped.isa).toBe(runtimeInfo().isa);
    }
  });
});

describe('instruction sets', () => {
  it('runs on the highest set that there is, or on the one that is asked for', () => {
    const { isa, available } = runtimeInfo();
    if (!process.env.FLASHBOOK_ISA) expect(isa).toBe(available.at(-1));
    for (const set of available) expect(device.createPlan(scalePlan(1), noState, { isa: set }).isa).toBe(set);
  });

  it('refuses one that is unknown', () => {
    expect(() => device.createPlan(scalePlan(1), noState, { isa: 'sse2' as 'avx2' })).toThrow(
      /instruction set that this machine has \(scalar.*received 'sse2'/,
    );
  });

  it('refuses a misspelt option', () => {
    expect(() => device.createPlan(scalePlan(1), noState, { frozn: true } as object)).toThrow(/did you mean 'frozen'/);
  });
});

describe('threads', () => {
  const before = runtimeInfo().threads;
  afterEach(() => setThreads(before));

  it('gives the same bits for every number of threads', () => {
    const elements = 1_000_003;
    const x = Float32Array.from({ length: elements }, (_, i) => Math.sin(i));
    const plan = device.createPlan(scalePlan(elements, 1.7), noState);
    const y = [new Float32Array(elements)];
    const results = [1, 2, 3, 7, 16].map((threads) => {
      setThreads(threads);
      expect(runtimeInfo().threads).toBe(threads);
      for (let repeat = 0; repeat < 5; repeat++) plan.runSync([x], y);
      return Buffer.from(y[0].slice().buffer);
    });
    expect(new Float32Array(results[0].buffer)[5]).toBe(Math.fround(Math.fround(Math.sin(5)) * Math.fround(1.7)));
    for (const result of results) expect(result.equals(results[0])).toBe(true);
  });

  it.each([0, -1, 257, 1.5, Number.NaN, '2'])('refuses %s', (count) => {
    expect(() => setThreads(count as number)).toThrow(FlashbookError);
  });
});

describe('state', () => {
  const spec = (name: string, elements = 3) => ({ name, dtype: 'f32' as const, shape: [elements] });

  it('is set, read by plans, changed by plans and fetched', () => {
    const state = device.createState([spec('w'), { name: 'n', dtype: 'i8', shape: [] }]);
    expect(state.bytes).toBe(13);
    expect([...state.get('w')]).toEqual([0, 0, 0]);
    state.set('w', Float32Array.of(1, 2, 3));
    state.set('n', Int8Array.of(-7));
    expect([...state.get('n')]).toEqual([-7]);
    device.createPlan(writeStatePlan(3, 10), state).runSync([]);
    expect([...state.get('w', new Float32Array(3))]).toEqual([10, 20, 30]);
    const plan = device.createPlan(readStatePlan(3, 0.5), state);
    state.dispose(); // the plan keeps the memory
    plan.runSync([]);
    expect([...plan.output(0)]).toEqual([5, 10, 15]);
    expect(() => state.get('w')).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
    expect(() => device.createPlan(readStatePlan(3), state)).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
  });

  it('refuses wrong names, lengths, dtypes and doubles', () => {
    const state = device.createState([spec('encoder.weight')]);
    expect(() => state.get('encoder.wieght')).toThrow(/did you mean 'encoder.weight'/);
    expect(() => state.set('encoder.weight', new Float32Array(4))).toThrow(/Float32Array\(3\).*Float32Array\(4\)/);
    expect(() => state.set('encoder.weight', new Int32Array(3))).toThrow(/Float32Array\(3\).*Int32Array\(3\)/);
    expect(() => device.createState([spec('a'), spec('a')])).toThrow(/'a' is there twice/);
    expect(() => device.createState([spec('a', 0)])).toThrow(/at least 1/);
    expect(() => device.createState([spec('a', 2 ** 50)])).toThrow(/2\^46/);
    expect(() => device.createState({} as never)).toThrow(expect.objectContaining({ code: 'SHAPE' }));
  });

  it('may not change under a frozen plan', () => {
    const state = device.createState([spec('w')]);
    const frozen = device.createPlan(readStatePlan(3), state, { frozen: true });
    expect(() => state.set('w', new Float32Array(3))).toThrow(/'w' cannot change: 1 frozen plan/);
    expect(() => device.createPlan(writeStatePlan(3), state)).toThrow(/read by a frozen plan/);
    frozen.dispose();
    state.set('w', new Float32Array(3));
    const writer = device.createPlan(writeStatePlan(3), state);
    expect(() => device.createPlan(readStatePlan(3), state, { frozen: true })).toThrow(/written by another plan/);
    expect(() => device.createPlan(writeStatePlan(3), state, { frozen: true })).toThrow(/frozen plan must not write/);
    writer.dispose();
    device.createPlan(readStatePlan(3), state, { frozen: true }).dispose();
    state.set('w', new Float32Array(3)); // a plan that could not be made holds nothing
  });

  it('gives up what its plans have packed, and nothing else', () => {
    const layer = linearPlan(5, 33, 40);
    const state = device.createState(
      [spec('w', 33 * 40), spec('other', 7)].map((s, i) => (i ? s : { ...s, shape: [33, 40] })),
    );
    const w = Float32Array.from({ length: 33 * 40 }, (_, i) => Math.sin(i));
    const x = Float32Array.from({ length: 5 * 40 }, (_, i) => Math.cos(i));
    state.set('w', w);
    const run = (plan: Plan) => {
      plan.runSync([x]);
      return plan.output(0);
    };
    const plain = device.createPlan(layer, state);
    const wanted = run(plain);
    const frozen = device.createPlan(layer, state, { frozen: true });
    state.releasePacked(); // the first plan reads it as it is
    expect(state.get('w')).toEqual(w);
    plain.dispose();
    const packs = frozen.memory().packedBytes > 0; // plain kernels read weights in place
    state.releasePacked();
    expect(state.bytes).toBe(packs ? 4 * 7 : 4 * (7 + 33 * 40));
    expect(run(frozen)).toEqual(wanted);
    state.set('other', new Float32Array(7));
    if (!packs) return;
    expect(() => state.get('w')).toThrow(/'w' was released when its plans had packed it/);
    expect(() => device.createPlan(layer, state, { frozen: true })).toThrow(/'w' was released/);
    frozen.dispose();
    expect(() => state.set('w', w)).toThrow(/'w' was released/);
  });
});
