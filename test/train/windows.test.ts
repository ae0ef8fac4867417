import { describe, expect, test } from 'vitest';
import { WindowDataset } from '../../src/data/index.js';
import { train } from '../../src/train/index.js';
import { BatchOrder, evenlySpaced, type Windows } from '../../src/train/windows.js';
import { bitsOf, COLUMNS, learnableWindows, STEPS, shortRun, smallModel } from './fixture.js';
import { referenceDevice } from './reference-device.js';

describe('the order of batches', () => {
  const windows = learnableWindows(50, 1);

  test('an epoch shows no window twice and leaves out less than a batch', () => {
    const order = new BatchOrder(windows, { batch: 8, seed: 3 });
    for (const epoch of [0, 1, 5]) {
      const seen = Array.from({ length: 6 }, (_, i) => [...order.indices(epoch * 6 + i + 1)]).flat();
      expect(new Set(seen).size).toBe(48);
      expect(order.epochOf(epoch * 6 + 1)).toBe(epoch);
      expect(order.epochOf(epoch * 6 + 6)).toBe(epoch);
    }
  });

  test('depends on seed, epoch and step alone', () => {
    const at = (seed: number, step: number) => [...new BatchOrder(windows, { batch: 8, seed }).indices(step)];
    const walked = new BatchOrder(windows, { batch: 8, seed: 3 });
    for (let step = 1; step <= 14; step++) expect([...walked.indices(step)]).toEqual(at(3, step));
    expect(at(3, 1)).not.toEqual(at(4, 1));
    expect(at(3, 1)).not.toEqual(at(3, 7));
  });
});

test('evenly spaced windows: rising, distinct, from the first on, all where they fit', () => {
  expect([...evenlySpaced(10, 4)]).toEqual([0, 2, 5, 7]);
  expect([...evenlySpaced(3, 100)]).toEqual([0, 1, 2]);
  expect(new Set(evenlySpaced(1000, 999)).size).toBe(999);
});

test('a WindowDataset trains as the same windows laid out in memory do', async () => {
  const device = referenceDevice();
  const memory = learnableWindows(50, 1);
  // Windows that do not overlap: window i is the rows i·STEPS … i·STEPS + STEPS − 1.
  const dataset: Windows = new WindowDataset({
    values: memory.x,
    columns: COLUMNS,
    steps: STEPS,
    rows: Int32Array.from({ length: 50 }, (_, i) => i * STEPS + STEPS - 1),
    targets: memory.targets.map((target) =>
      Int32Array.from({ length: 50 * STEPS }, (_, row) => target[Math.floor(row / STEPS)]),
    ),
  });
  const a = await train(smallModel(), shortRun({ device, train: memory, steps: 8 }));
  const b = await train(smallModel(), shortRun({ device, train: dataset, steps: 8 }));
  expect(bitsOf(b.parameters)).toBe(bitsOf(a.parameters));
});
