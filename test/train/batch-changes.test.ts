import { describe, expect, test } from 'vitest';
import { jitter } from '../../src/data/index.js';
import { BatchChanges, balancedClassWeights, resolveClassWeights } from '../../src/train/batch-changes.js';
import { COLUMNS, learnableWindows, STEPS } from './fixture.js';

const WINDOWS = { steps: STEPS, columns: COLUMNS };
const PLAIN = {
  ...{ seed: 1, augment: [], mixup: 0, cutmix: 0, labelSmoothing: 0.3, classWeights: undefined, focalGamma: 0 },
};
const batch = () => {
  const { x, targets } = learnableWindows(6, 3);
  return { x: x.slice(), targets: [targets[0], Int32Array.of(0, -1, 2, 1, -1, 0)] };
};
const soft = () => [new Float32Array(18), new Float32Array(18)];

describe('batch changes', () => {
  test('targets are smoothed and weighted; a missing label is a row of zeros', () => {
    const { x, targets } = batch();
    const out = soft();
    const changes = new BatchChanges(
      {
        ...PLAIN,
        classWeights: [
          [1, 1, 1],
          [2, 1, 0.5],
        ],
      },
      WINDOWS,
      [3, 3],
    );
    expect(changes.softTargets).toBe(true);
    changes.apply(1, x, targets, out);
    expect(x).toEqual(batch().x);
    const rows = [0, 1, 2].map((i) => [...out[1].subarray(3 * i, 3 * i + 3)]);
    for (const [i, row] of [
      [1.6, 0.1, 0.05],
      [0, 0, 0],
      [0.2, 0.1, 0.4],
    ].entries()) {
      row.forEach((want, c) => void expect(rows[i][c]).toBeCloseTo(want, 6));
    }
    for (let i = 0; i < 6; i++) expect(out[0].subarray(3 * i, 3 * i + 3).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  });

  test('labels are mixed as the windows are; what has no label adds nothing', () => {
    const { x, targets } = batch();
    const before = x.slice();
    const out = soft();
    new BatchChanges({ ...PLAIN, labelSmoothing: 0, mixup: 1 }, WINDOWS, [3, 3]).apply(4, x, targets, out);
    // The share of window 0 in the mixture, from the windows: x = own·a + (1 − own)·b for one partner b.
    const size = STEPS * COLUMNS;
    for (let i = 0; i < 6; i++) {
      const mixed = x.subarray(i * size, (i + 1) * size);
      const a = before.subarray(i * size, (i + 1) * size);
      const found = [0, 1, 2, 3, 4, 5].flatMap((j) => {
        if (j === i) return [];
        const b = before.subarray(j * size, (j + 1) * size);
        const own = (mixed[0] - b[0]) / (a[0] - b[0]);
        return mixed.every((v, k) => Math.abs(v - own * a[k] - (1 - own) * b[k]) < 1e-4) ? [{ j, own }] : [];
      });
      for (const [h, target] of targets.entries()) {
        const { j, own } = found[0] ?? { j: i, own: 1 };
        const want = [0, 0, 0];
        if (target[i] >= 0) want[target[i]] += own;
        if (target[j] >= 0) want[target[j]] += 1 - own;
        want.forEach((q, c) => void expect(out[h][3 * i + c]).toBeCloseTo(q, 3));
      }
    }
  });

  test('a batch is changed the same way whenever it is made, and no two batches alike', () => {
    const make = (number: number) => {
      const { x, targets } = batch();
      new BatchChanges({ ...PLAIN, augment: [jitter()], mixup: 0.4, cutmix: 1 }, WINDOWS, [3, 3]).apply(
        number,
        x,
        targets,
        soft(),
      );
      return x;
    };
    expect(make(5)).toEqual(make(5));
    expect(make(5)).not.toEqual(make(6));
  });

  test('an augmentation of probability ½ leaves about half of the windows', () => {
    const { x, targets } = learnableWindows(400, 1);
    const before = x.slice();
    new BatchChanges({ ...PLAIN, augment: [jitter({ probability: 0.5 })] }, WINDOWS, [3, 3]).apply(1, x, targets, []);
    const size = STEPS * COLUMNS;
    const left = targets[0].filter((_, i) => x[i * size] === before[i * size]).length;
    expect(Math.abs(left - 200)).toBeLessThan(5 * 10);
  });
});

test('balanced weights make every class weigh the same', () => {
  const windows = learnableWindows(200, 2);
  const weights = balancedClassWeights(windows, [3, 3]);
  for (const h of [0, 1]) {
    const counts = [0, 1, 2].map((c) => windows.labels(h).filter((label) => label === c).length);
    const shares = counts.map((n, c) => n * weights[h][c]);
    for (const share of shares) expect(share).toBeCloseTo(counts.reduce((a, b) => a + b) / 3, 9);
  }
});

test('class weights that do not fit are named', () => {
  const windows = learnableWindows(10, 2);
  expect(() => resolveClassWeights([[1, 1, 1]], windows, [3, 3])).toThrowError(/classWeights/);
  expect(() =>
    resolveClassWeights(
      [
        [1, 1, 1],
        [1, 1],
      ],
      windows,
      [3, 3],
    ),
  ).toThrowError(/classWeights\[1\]/);
  expect(() =>
    resolveClassWeights(
      [
        [1, 1, 1],
        [1, 1, -1],
      ],
      windows,
      [3, 3],
    ),
  ).toThrowError(/classWeights\[1\]\[2\]/);
});
