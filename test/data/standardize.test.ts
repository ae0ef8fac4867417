import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { StandardScaler } from '../../src/data/index.js';
import { cpu, runtimeInfo } from '../../src/native/index.js';

describe('StandardScaler and the native operation standardize', () => {
  it.each(runtimeInfo().available)('agree to the bit: %s', (isa) => {
    const random = new Random(4);
    const [rows, columns] = [37, 13];
    const values = Float32Array.from({ length: rows * columns }, () => random.normal() * 10 ** (random.below(7) - 3));
    const scaler = StandardScaler.fit(values, columns, { start: 0, end: 20 });
    values.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e38, -1e38, 0, -0, 1e-45]);
    using state = cpu().createState([
      { name: 'mean', dtype: 'f32', shape: [columns] },
      { name: 'inverseStd', dtype: 'f32', shape: [columns] },
    ]);
    state.set('mean', scaler.mean);
    state.set('inverseStd', scaler.inverseStd);
    const bytes = Math.ceil((4 * rows * columns) / 64) * 64;
    const arena = (name: string, offset: number) => ({
      name,
      dtype: 'f32' as const,
      shape: [rows, columns],
      space: 'arena' as const,
      offset,
    });
    const kept = (name: string) => ({
      name,
      dtype: 'f32' as const,
      shape: [columns],
      space: 'state' as const,
      offset: 0,
    });
    using plan = cpu().createPlan(
      {
        version: 1,
        arenaBytes: 2 * bytes,
        tensors: [arena('x', 0), arena('y', bytes), kept('mean'), kept('inverseStd')],
        steps: [{ kernel: 'standardize', inputs: [0, 2, 3], outputs: [1], attrs: { clip: scaler.clip } }],
        inputs: [0],
        outputs: [1],
      },
      state,
      { isa },
    );
    const native = new Float32Array(rows * columns);
    plan.runSync([values], [native]);
    const own = scaler.transform(values);
    for (let j = 0; j < own.length; j++) {
      if (!Object.is(own[j], native[j])) expect.fail(`element ${j}, ${values[j]}: ${own[j]} and natively ${native[j]}`);
    }
    expect(own[0]).toBeNaN();
  });
});
