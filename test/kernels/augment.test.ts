import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.js';
import { plainNormals } from '../../src/data/normals.js';
import { cubicSplines } from '../../src/data/spline.js';
import { addNormals, type Isa, multiplySplines } from '../../src/native/index.js';
import { SETS, SPECIAL } from './oracle.js';

const KEY = Uint32Array.of(0xa4093822, 0x299f31d0, 0x03707344, 0x13198a2e);
const VECTORS = SETS.filter((isa) => isa !== 'scalar');

/** What lies behind the elements must stay. */
const guarded = (values: ArrayLike<number>) => {
  const memory = new Float32Array(values.length + 64).fill(7);
  memory.set(values);
  return { memory, values: memory.subarray(0, values.length) };
};
const untouched = (memory: Float32Array, count: number) => memory.subarray(count).every((x) => x === 7);

describe('addNormals', () => {
  const draw = (n: number, isa: Isa, key = KEY) => {
    const { memory, values } = guarded(new Float32Array(n));
    addNormals(values, 1, key, isa);
    expect(untouched(memory, n)).toBe(true);
    return values;
  };

  it.each(SETS)('is the definition for any number of elements on %s', (isa) => {
    for (const n of [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100, 1023]) {
      const want = plainNormals(n, KEY);
      draw(n, isa).forEach((x, i) => void expect(Math.abs(x - want[i]), `element ${i} of ${n}`).toBeLessThan(4e-6));
    }
  });

  it.each(SETS)('uses every word of the key on %s', (isa) => {
    const plain = [...draw(8, isa)];
    for (let word = 0; word < 4; word++) {
      const other = KEY.slice();
      other[word] ^= 1;
      const want = plainNormals(8, other);
      const got = draw(8, isa, other);
      expect([...got]).not.toEqual(plain);
      got.forEach((x, i) => void expect(Math.abs(x - want[i])).toBeLessThan(4e-6));
    }
  });

  it.each(VECTORS)('has the bits of the first vector set on %s', (isa) => {
    expect(draw(1000, isa)).toEqual(draw(1000, VECTORS[0]));
  });

  it.each(SETS)('adds to what is there, times the deviation, and keeps NaN and infinities on %s', (isa) => {
    const { values } = guarded(SPECIAL);
    addNormals(values, 0.5, KEY, isa);
    const normals = plainNormals(SPECIAL.length, KEY);
    values.forEach((x, i) => {
      const want = Math.fround(SPECIAL[i] + 0.5 * normals[i]);
      if (!Number.isFinite(want)) expect(x).toBe(want);
      else expect(Math.abs(x - want)).toBeLessThanOrEqual(2e-6 + 2 ** -23 * Math.abs(want));
    });
    const still = Float32Array.from(SPECIAL);
    addNormals(still, 0, KEY, isa);
    still.forEach((x, i) => void expect(x + 0).toBe(Math.fround(SPECIAL[i]) + 0));
  });

  it.each(SETS)('is normal on %s: moments, tails and neighbours', (isa) => {
    const n = 400_000;
    const values = draw(n, isa);
    const mean = (f: (x: number, i: number) => number) => values.reduce((sum, x, i) => sum + f(x, i), 0) / n;
    const near = (value: number, wanted: number, variance: number) =>
      expect(Math.abs(value - wanted)).toBeLessThan(5 * Math.sqrt(variance / n));
    near(
      mean((x) => x),
      0,
      1,
    );
    near(
      mean((x) => x * x),
      1,
      2,
    );
    near(
      mean((x) => x ** 3),
      0,
      15,
    );
    near(
      mean((x) => x ** 4),
      3,
      96,
    );
    // P(|n| > x) of the normal distribution.
    for (const [x, p] of [
      [0.6744897501960817, 0.5],
      [2, 0.04550026389635842],
      [3, 0.0026997960632601866],
      [4, 6.334248366623973e-5],
    ]) {
      near(
        mean((value) => (Math.abs(value) > x ? 1 : 0)),
        p,
        p * (1 - p),
      );
    }
    for (const distance of [1, 2, 3, 4, 8])
      near(
        mean((x, i) => x * values[(i + distance) % n]),
        0,
        1,
      );
  });

  it('refuses what it cannot do', () => {
    expect(() => addNormals([1] as unknown as Float32Array, 1, KEY)).toThrow(/Float32Array for values/);
    expect(() => addNormals(new Float32Array(1), Number.NaN, KEY)).toThrow(/deviation/);
    expect(() => addNormals(new Float32Array(1), 1, KEY.subarray(1))).toThrow(/Uint32Array\(4\) for key/);
  });
});

describe('multiplySplines', () => {
  it.each(SETS)('multiplies by the natural splines of each column on %s', (isa) => {
    const random = new Random(8);
    for (const columns of [1, 3, 7, 8, 15, 16, 17, 33, 89]) {
      for (const [rows, count] of [
        [1, 2],
        [2, 2],
        [25, 6],
        [9, 3],
        [5, 40],
        [100, 300],
      ]) {
        const knots = Float32Array.from({ length: count * columns }, () => 1 + 0.3 * random.normal());
        const x = Float32Array.from({ length: rows * columns }, () => random.normal());
        const { memory, values } = guarded(x);
        multiplySplines(values, columns, knots, isa);
        expect(untouched(memory, x.length)).toBe(true);
        const curves = new Float32Array(x.length);
        cubicSplines(knots, columns, curves);
        values.forEach((y, i) => {
          const where = `${rows} × ${columns}, ${count} knots, element ${i}`;
          expect(Math.abs(y - x[i] * curves[i]), where).toBeLessThan(4e-6 * Math.abs(x[i]));
        });
      }
    }
  });

  it.each(VECTORS)('has the bits of the first vector set on %s, and keeps NaN and infinities', (isa) => {
    const knots = Float32Array.from({ length: 5 * SPECIAL.length }, (_, i) => 1 + (i % 7) / 10);
    const [one, other] = [isa, VECTORS[0]].map((set) => {
      const values = Float32Array.from([...SPECIAL, ...SPECIAL]);
      multiplySplines(values, SPECIAL.length, knots, set);
      return values;
    });
    expect(one).toEqual(other);
    one.forEach((x, i) => void expect(Number.isNaN(x)).toBe(Number.isNaN(SPECIAL[i % SPECIAL.length])));
  });

  it('refuses arrays that do not fit', () => {
    const knots = new Float32Array(6);
    expect(() => multiplySplines(new Float32Array(7), 3, knots)).toThrow(/whole rows of 3 for values/);
    expect(() => multiplySplines(new Float32Array(6), 3, knots.subarray(3))).toThrow(/two or more whole rows/);
    expect(() => multiplySplines(new Float32Array(6), 3, knots.subarray(0, 5))).toThrow(/two or more whole rows/);
    expect(() => multiplySplines(new Float32Array(6), 0, knots)).toThrow(/columns/);
    expect(() => multiplySplines(knots, 3, [1] as unknown as Float32Array)).toThrow(/Float32Array for knots/);
  });
});
