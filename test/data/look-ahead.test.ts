import { describe, expect, it } from 'vitest';
import { rebuildBook } from '../../src/book/index.js';
import {
  type LabelBase,
  makeLabels,
  midPrices,
  type RowRange,
  StandardScaler,
  sampleRows,
  WindowDataset,
  walkForwardSplit,
} from '../../src/data/index.js';
import { computeFeatures, defaultFeatures } from '../../src/features/index.js';
import { syntheticSession } from '../../src/market/index.js';
import { firstDifference, type RandomSession, withFutureOf } from '../features/random-session.js';

const rows = 6000;
const levels = 5;
const steps = 20;
const horizons = [10, 50];

function session(seed: number): RandomSession {
  const synthetic = syntheticSession({ seed, events: rows });
  return { events: synthetic.events, snapshots: rebuildBook(synthetic, { levels }).snapshots };
}

/** Everything that training reads: the windows of one part, scaled, and their classes. */
function part({ events, snapshots }: RandomSession, name: 'train' | 'validation' | 'test', base: LabelBase) {
  const window = base === 'past' ? Math.max(steps, ...horizons) : steps;
  const split = walkForwardSplit(rows, { purge: Math.max(...horizons), window });
  const table = computeFeatures(events, snapshots, { tickSize: 100 }, defaultFeatures(levels));
  const labels = makeLabels(midPrices(snapshots), { horizons, base, train: split.train });
  const scaler = StandardScaler.fit(table.values, table.columns, { start: 0, end: split.train.end });
  const windows = new WindowDataset({
    values: scaler.transform(table.values),
    columns: table.columns,
    steps,
    targets: labels.map((label) => label.classes),
    rows: sampleRows(split[name], 7),
  });
  const x = new Float32Array(windows.length * steps * table.columns);
  windows.batch(
    Int32Array.from({ length: windows.length }, (_, i) => i),
    x,
  );
  return { x, y: horizons.map((_, h) => windows.labels(h)), thresholds: labels.map((l) => l.threshold), scaler, split };
}

describe.each<LabelBase>(['mid', 'past'])("what training reads, base '%s'", (base) => {
  const original = session(1);
  const other = session(2);
  const { split } = part(original, 'train', base);
  const borders: [RowRange, 'train' | 'validation', number][] = [
    [split.train, 'train', 3600],
    [split.validation, 'validation', 4800],
  ];

  it.each(borders)('rows %o (%s) are as they were when every row from %i on is another', (_, name, border) => {
    const before = part(original, name, base);
    const after = part(withFutureOf(original, border, other), name, base);
    expect(firstDifference(after.x, before.x)).toBe(-1);
    expect(after.y).toEqual(before.y);
    expect(after.thresholds).toEqual(before.thresholds);
    expect(after.scaler).toEqual(before.scaler);
    // The test has power: one row earlier, the labels at the border see it.
    const earlier = part(withFutureOf(original, border - 60, other), name, base);
    expect(firstDifference(earlier.x, before.x) === -1 && `${earlier.y}` === `${before.y}`).toBe(false);
  });

  it('the test part differs, and still is measured with the thresholds and the scale of train', () => {
    const before = part(original, 'test', base);
    const after = part(withFutureOf(original, 4800, other), 'test', base);
    expect(firstDifference(after.x, before.x)).not.toBe(-1);
    expect(after.thresholds).toEqual(before.thresholds);
    expect(after.scaler).toEqual(before.scaler);
  });
});
