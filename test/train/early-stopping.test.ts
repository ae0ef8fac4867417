import { describe, expect, test } from 'vitest';
import { EarlyStopping } from '../../src/train/early-stopping.js';

describe('early stopping', () => {
  test('stops after `patience` evaluations without a new best', () => {
    const early = new EarlyStopping({ patience: 2 });
    const seen = [3, 2, 2.5, 1.9, 1.9, 2].map((loss, i) => [early.observe(i + 1, loss), early.shouldStop]);
    expect(seen).toEqual([
      [true, false],
      [true, false],
      [false, false],
      [true, false],
      [false, false],
      [false, true],
    ]);
    expect([early.best, early.bestStep]).toEqual([1.9, 4]);
  });

  test('an improvement smaller than minDelta is none', () => {
    const early = new EarlyStopping({ patience: 1, minDelta: 0.1 });
    early.observe(1, 1);
    expect(early.observe(2, 0.95)).toBe(false);
    expect(early.shouldStop).toBe(true);
  });

  test('NaN never improves', () => {
    const early = new EarlyStopping({ patience: 1 });
    expect(early.observe(1, Number.NaN)).toBe(false);
    expect(early.shouldStop).toBe(true);
  });

  test('without patience it never stops', () => {
    const early = new EarlyStopping();
    for (let i = 0; i < 100; i++) early.observe(i, i);
    expect(early.shouldStop).toBe(false);
    expect(early.bestStep).toBe(0);
  });

  test('a restored one goes on as the first, also before any evaluation', () => {
    for (const losses of [[], [2, 3]]) {
      const first = new EarlyStopping({ patience: 2 });
      losses.forEach((loss, i) => void first.observe(i, loss));
      const second = new EarlyStopping({ patience: 2 });
      second.restore(JSON.parse(JSON.stringify(first.snapshot())));
      for (const loss of [5, 1, 4, 4]) {
        expect(second.observe(9, loss)).toBe(first.observe(9, loss));
        expect(second.shouldStop).toBe(first.shouldStop);
      }
    }
  });

  test('refuses a patience that is no count', () => {
    expect(() => new EarlyStopping({ patience: 0 })).toThrowError(/patience/);
    expect(() => new EarlyStopping({ patience: 1.5 })).toThrowError(/patience/);
  });
});
