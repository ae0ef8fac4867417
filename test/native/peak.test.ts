import { afterAll, describe, expect, it } from 'vitest';
import { runPeak, runtimeInfo, setThreads } from '../../src/native/index.js';

const { available, threads } = runtimeInfo();
afterAll(() => setThreads(threads));

describe('runPeak', () => {
  it.each(available)('counts the operations of %s by rounds and threads', (isa) => {
    for (const kind of ['f32', 'int8'] as const) {
      const one = runPeak(kind, { threads: 1, rounds: 1, isa });
      expect(one).toBeGreaterThan(0);
      expect(runPeak(kind, { threads: 1, rounds: 1000, isa })).toBe(1000 * one);
      expect(runPeak(kind, { threads: 2, rounds: 1000, isa })).toBe(2000 * one);
    }
    const bf16 = runPeak('bf16', { threads: 1, rounds: 10, isa });
    if (isa === 'avx512bf16' || isa === 'amx') expect(bf16).toBeGreaterThan(0);
    else expect(bf16).toBe(0);
  });

  it.each(available)('sweeps over the memory it is given with %s, and stays inside it', (isa) => {
    const memory = new Float32Array(3 * 2 * 2048 + 32).fill(1);
    const read = runPeak('read', { threads: 2, rounds: 3, isa, memory });
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThanOrEqual(3 * memory.byteLength);
    expect(memory.every((value) => value === 1)).toBe(true);
    const moved = runPeak('triad', { threads: 2, rounds: 1, isa, memory });
    expect(memory.filter((value) => value === 1.5).length).toBe(moved / 12);
    expect(memory.every((value) => value === 1 || value === 1.5)).toBe(true);
    expect(runPeak('triad', { threads: 2, rounds: 1, isa, memory: new Float32Array(7) })).toBe(0);
  });

  it('refuses what it cannot do', () => {
    expect(() => runPeak('f64' as 'f32', { threads: 1, rounds: 1 })).toThrow(/one of 'f32'.*for kind/);
    expect(() => runPeak('f32', { threads: 0, rounds: 1 })).toThrow(/threads/);
    expect(() => runPeak('f32', { threads: 1, rounds: 0.5 })).toThrow(/rounds/);
    expect(() => runPeak('read', { threads: 1, rounds: 1 })).toThrow(/memory/);
    expect(() => runPeak('f32', { threads: 1, rounds: 1, isa: 'mmx' as 'avx2' })).toThrow(/instruction set/);
  });
});
