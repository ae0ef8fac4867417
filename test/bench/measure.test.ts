import { describe, expect, it } from 'vitest';
import { type BenchCase, type Contender, mismatch } from '../../src/bench/case.js';
import { measureCase, type Pace } from '../../src/bench/measure.js';
import { summarise } from '../../src/bench/samples.js';
import { FlashbookError } from '../../src/core/errors.js';

const pace: Pace = { rounds: 4, turnMs: 1, patienceMs: 0 };
const yardstick = { free: () => true, wait: async () => true };

function contender(role: Contender['role'], output: number[], ns = 1000): Contender & { runs: number; closed: number } {
  const one = {
    role,
    name: role,
    tolerance: 1e-3,
    runs: 0,
    closed: 0,
    open: () => ({
      run: () => {
        one.runs++;
        return ns;
      },
      output: () => output,
      close: () => void one.closed++,
    }),
  };
  return one;
}

const benchCase = (contenders: Contender[]): BenchCase => ({
  suite: 'test',
  name: 'case',
  threads: 1,
  bound: 'none',
  operations: 0,
  bytes: 0,
  contenders,
  expected: () => ({ values: [1, 2, 3] }),
});

describe('measureCase', () => {
  it('times every contender in turns', async () => {
    const [fast, rival] = [contender('fast', [1, 2, 3]), contender('rival', [1, 2, 3], 5000)];
    const { times, failures } = await measureCase(benchCase([fast, rival]), { pace, yardstick });
    expect(failures).toEqual([]);
    expect(times.map(({ role, medianMs }) => [role, medianMs])).toEqual([
      ['fast', 0.001],
      ['rival', 0.005],
    ]);
    expect([fast.closed, rival.closed]).toEqual([1, 1]);
  });

  it('gives no time for a wrong result, says where it is wrong, and closes it', async () => {
    const [fast, wrong] = [contender('fast', [1, 2, 3]), contender('plain', [1, 2.1, 3])];
    const { times, failures } = await measureCase(benchCase([fast, wrong]), { pace, yardstick });
    expect(times.map(({ role }) => role)).toEqual(['fast']);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatchObject({ role: 'plain', wrong: true });
    expect(failures[0].problem).toMatch(/element 1 is 2\.1, expected 2/);
    expect(wrong.runs).toBe(1);
    expect(wrong.closed).toBe(1);
  });

  it('finds a result that becomes wrong while it is timed', async () => {
    const output = [1, 2, 3];
    const spoilt = contender('fast', output);
    const open = spoilt.open;
    spoilt.open = () => ({
      ...open(),
      run: () => {
        if (++spoilt.runs > 20) output[0] = Number.NaN;
        return 1000;
      },
    });
    const { times, failures } = await measureCase(benchCase([spoilt]), { pace, yardstick });
    expect(times).toEqual([]);
    expect(failures[0].problem).toMatch(/element 0 is NaN.*after 4 rounds/);
  });

  it('leaves out what this machine has not, which is no defect', async () => {
    const absent = contender('rival', []);
    absent.open = () => {
      throw new FlashbookError('BACKEND', 'ONNX Runtime could not be loaded');
    };
    const { failures } = await measureCase(benchCase([contender('fast', [1, 2, 3]), absent]), { pace, yardstick });
    expect(failures).toEqual([
      { role: 'rival', name: 'rival', problem: 'ONNX Runtime could not be loaded', wrong: false },
    ]);
  });

  it('does not repeat what takes many turns by itself', async () => {
    const slow = contender('naive', [1, 2, 3], 1e9);
    await measureCase(benchCase([slow]), { pace: { rounds: 50, turnMs: 1, patienceMs: 0 }, yardstick });
    expect(slow.runs).toBeLessThan(400);
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort();
    await expect(
      measureCase(benchCase([contender('fast', [1, 2, 3])]), { pace, yardstick, signal }),
    ).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('mismatch', () => {
  it('looks only at the places that are known', () => {
    expect(mismatch([9, 1, 9, 2], { at: [1, 3], values: [1, 2] }, 0)).toBeUndefined();
    expect(mismatch([9, 1, 9, 2.5], { at: [1, 3], values: [1, 2] }, 0.1)).toMatch(/element 3 is 2\.5/);
  });

  it('takes neither NaN nor a missing element for right', () => {
    expect(mismatch([Number.NaN], { values: [1] }, 1)).toMatch(/NaN/);
    expect(mismatch([], { values: [1] }, 1)).toMatch(/undefined/);
  });
});

describe('summarise', () => {
  it('counts quiet rounds alone where there are enough of them', () => {
    const rounds = [
      { quiet: true, ns: [1e6, 1e6, 2e6] },
      { quiet: false, ns: [9e6] },
      { quiet: false, ns: [9e6] },
    ];
    expect(summarise(rounds)).toMatchObject({ samples: 3, minMs: 1, medianMs: 1, p99Ms: 2, quiet: 1 / 3 });
    expect(summarise([...rounds, { quiet: false, ns: [9e6] }])).toMatchObject({ samples: 6, p99Ms: 9 });
  });

  it('takes the distance of the medians of the rounds for noise', () => {
    const steady = [1, 1, 1, 1].map((ms) => ({ quiet: true, ns: [ms * 1e6, 5e6, ms * 1e6] }));
    expect(summarise(steady).noise).toBe(0);
    const noisy = [1, 2, 3, 4].map((ms) => ({ quiet: true, ns: [ms * 1e6] }));
    expect(summarise(noisy).noise).toBeCloseTo(0.5);
  });
});
