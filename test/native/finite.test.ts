import { expect, it } from 'vitest';
import { firstNotFinite } from '../../src/native/index.js';

it('finds the first NaN or infinity wherever it is', () => {
  for (const length of [1, 255, 256, 257, 1000]) {
    const values = Float32Array.from({ length }, (_, i) => (i % 2 === 0 ? 3.4e38 : -1e-45));
    expect(firstNotFinite(values)).toBe(-1);
    for (const at of [0, length >> 1, length - 1]) {
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const spoilt = values.slice();
        spoilt[at] = wrong;
        spoilt[length - 1] = wrong;
        expect(firstNotFinite(spoilt)).toBe(at);
      }
    }
  }
  expect(firstNotFinite(new Float32Array(0))).toBe(-1);
});

it('takes a Float32Array alone', () => {
  expect(() => firstNotFinite([1] as unknown as Float32Array)).toThrow(/Float32Array/);
  expect(() => firstNotFinite(new Float64Array(1) as unknown as Float32Array)).toThrow(/Float32Array/);
});
