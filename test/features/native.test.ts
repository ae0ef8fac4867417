import { describe, expect, it } from 'vitest';
import {
  CATALOGUE,
  computeFeatures,
  defaultFeatures,
  type FeatureSet,
  FeatureStream,
  featureNames,
} from '../../src/features/index.js';
import { featureKinds } from '../../src/native/features.js';
import { emptySnapshots, firstDifference, type RandomSession, randomSession, withFutureOf } from './random-session.js';
import { referenceFeatures } from './reference.js';

const TICK = { tickSize: 100 };

/** Every feature with small, ragged and long windows. */
function everyFeature(levels: number): FeatureSet {
  return CATALOGUE.flatMap((kind): FeatureSet => {
    const { name } = kind;
    const ranges = kind.levels
      ? levels === 1
        ? [[1, 1]]
        : [
            [1, levels],
            [2, levels],
            [levels, levels],
          ].slice(0, kind.perLevel ? 1 : 3)
      : [[]];
    const windows = kind.events ? [1, 2, 7, 64, 129] : [0];
    const distinct = new Set<string>();
    return ranges
      .filter((range) => !distinct.has(String(range)) && distinct.add(String(range)))
      .flatMap(([from, to]) =>
        windows.map((events) => ({
          name,
          params: { ...(kind.levels ? { from, to } : {}), ...(kind.events ? { events } : {}) },
        })),
      );
  });
}

function stream(session: RandomSession, set: FeatureSet): Float32Array {
  const { events, snapshots } = session;
  const { levels } = snapshots;
  const features = new FeatureStream(set, TICK, levels);
  const out = new Float32Array(events.length * features.columns);
  for (let i = 0; i < events.length; i++) {
    const level = (values: Int32Array) => values.subarray(i * levels, (i + 1) * levels);
    const row = {
      askPrice: level(snapshots.askPrice),
      askSize: level(snapshots.askSize),
      bidPrice: level(snapshots.bidPrice),
      bidSize: level(snapshots.bidSize),
    };
    const event = {
      timeNs: events.timeNs[i],
      type: events.type[i],
      side: events.side[i],
      price: events.price[i],
      size: events.size[i],
    };
    out.set(features.push(event, row), i * features.columns);
  }
  return out;
}

describe('native features', () => {
  it('are those of the catalogue', () => {
    const catalogue = CATALOGUE.map((kind) => ({
      name: kind.name,
      levels: kind.levels,
      events: kind.events,
      columnsPerLevel: kind.perLevel ? kind.columns.length : 0,
      columns: kind.perLevel ? 0 : kind.columns.length,
    }));
    expect(featureKinds()).toEqual(catalogue);
  });

  const sessions: [string, RandomSession][] = [
    ['10 levels', randomSession(1, 700, 10)],
    ['1 level', randomSession(2, 300, 1)],
    ['2 levels, often empty', randomSession(3, 500, 2, { emptyShare: 0.7 })],
    ['5 levels, always short of some', randomSession(4, 400, 5, { emptyShare: 1 })],
    ['sizes up to the largest', randomSession(5, 300, 3, { largestSize: 0x7fffffff })],
    ['prices around 0', randomSession(6, 300, 3, { centre: 0 })],
    ['prices below 0', randomSession(7, 300, 3, { centre: -2_000_000_000 })],
    ['one row', randomSession(8, 1, 4)],
    ['no rows', randomSession(9, 0, 4)],
  ];
  it.each(sessions)('agree with the plain reference: %s', (_, session) => {
    const { events, snapshots } = session;
    const set = everyFeature(snapshots.levels);
    const { names, values, columns, rows } = computeFeatures(events, snapshots, TICK, set);
    const reference = referenceFeatures(events, snapshots, TICK.tickSize, set);
    expect(rows).toBe(events.length);
    expect(values.length).toBe(rows * columns);
    if (rows > 0) expect(reference.columns).toBe(columns);
    let worst = 0;
    let at = -1;
    for (let j = 0; j < values.length; j++) {
      const error = Math.abs(values[j] - reference.values[j]) / Math.max(1, Math.abs(reference.values[j]));
      if (!(error <= worst)) [worst, at] = [error, j];
    }
    // 4 roundings of float32: the argument, 1 + |x|, the series, the sum.
    if (!(worst <= 4 * 2 ** -23)) {
      const [row, column] = [Math.floor(at / columns), at % columns];
      expect.fail(`row ${row}, ${names[column]}: ${values[at]} instead of ${reference.values[at]}`);
    }
  });

  it.each(sessions)('streamed equal the batch to the bit: %s', (_, session) => {
    const set = everyFeature(session.snapshots.levels);
    const batch = computeFeatures(session.events, session.snapshots, TICK, set);
    expect(firstDifference(stream(session, set), batch.values)).toBe(-1);
  });

  it('start anew after reset', () => {
    const set = defaultFeatures(2);
    const features = new FeatureStream(set, TICK, 2);
    const book = {
      askPrice: Int32Array.of(200, 300),
      askSize: Int32Array.of(5, 6),
      bidPrice: Int32Array.of(100, 0),
      bidSize: Int32Array.of(7, 8),
    };
    const event = { timeNs: 5n, type: 1, side: 1, price: 100, size: 7 };
    const first = features.push(event, book);
    features.push({ ...event, timeNs: 9n, type: 4 }, { ...book, askPrice: Int32Array.of(250, 300) });
    features.reset();
    expect(firstDifference(features.push(event, book), first)).toBe(-1);
  });

  it('are never NaN or infinite, whatever the rows hold', () => {
    const levels = 3;
    const rows = 400;
    const session = randomSession(11, rows, levels, { emptyShare: 0.5, largestSize: 0x7fffffff });
    const extremes = [0, 1, -1, 0x7fffffff, -0x7fffffff, -0x80000000];
    const { snapshots, events } = session;
    for (let j = 0; j < rows * levels; j += 3) snapshots.askPrice[j] = extremes[j % 6];
    for (let j = 1; j < rows * levels; j += 5) snapshots.bidPrice[j] = extremes[j % 6];
    for (let j = 2; j < rows * levels; j += 7) snapshots.bidSize[j] = extremes[j % 6];
    for (let i = 0; i < rows; i += 4) events.price[i] = extremes[i % 6];
    for (let i = 0; i < rows; i += 9) events.timeNs[i] = 2n ** 62n * (i % 2 === 0 ? 1n : -1n);
    for (let i = 0; i < rows; i += 11) events.side[i] = -128;
    const { values } = computeFeatures(events, snapshots, TICK, everyFeature(levels));
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it('of a book that is never there are all 0 but for the clock', () => {
    const snapshots = emptySnapshots(5, 2);
    const { events } = randomSession(12, 5, 2);
    events.type.fill(7);
    const { values, names, columns } = computeFeatures(events, snapshots, TICK, defaultFeatures(2));
    for (let c = 0; c < columns; c++) {
      if (/^(time_gap|intensity|events_since_move)/.test(names[c])) continue;
      for (let i = 0; i < 5; i++) expect(values[i * columns + c], names[c]).toBe(0);
    }
  });
});

describe('no feature sees the future', () => {
  const rows = 400;
  const session = randomSession(21, rows, 5);
  const other = randomSession(22, rows, 5, { centre: 6_100_000 });
  const set = everyFeature(5);
  const whole = computeFeatures(session.events, session.snapshots, TICK, set);

  it.each([1, 2, 57, 200, 399])('changing all after row %i − 1 leaves the past as it was, to the bit', (kept) => {
    const changed = withFutureOf(session, kept, other);
    const again = computeFeatures(changed.events, changed.snapshots, TICK, set);
    const end = kept * whole.columns;
    expect(firstDifference(again.values.subarray(0, end), whole.values.subarray(0, end))).toBe(-1);
  });

  it.each(CATALOGUE.map((kind) => kind.name))('%s depends on its own row and on nothing after it', (name) => {
    const own = set.filter((definition) => definition.name === name);
    const width = featureNames(own, 5).length;
    const kept = 123;
    const changed = withFutureOf(session, kept, other);
    const before = computeFeatures(session.events, session.snapshots, TICK, own);
    const after = computeFeatures(changed.events, changed.snapshots, TICK, own);
    const first = firstDifference(after.values, before.values);
    expect(first === -1 || first >= kept * width).toBe(true);
    // The test has power: what comes after does change with the future.
    expect(first).not.toBe(-1);
  });

  it('a session cut short gives the same rows', () => {
    const kept = 250;
    const cut = {
      events: {
        ...session.events,
        length: kept,
        timeNs: session.events.timeNs.slice(0, kept),
        type: session.events.type.slice(0, kept),
        side: session.events.side.slice(0, kept),
        price: session.events.price.slice(0, kept),
        size: session.events.size.slice(0, kept),
      },
      snapshots: {
        length: kept,
        levels: 5,
        askPrice: session.snapshots.askPrice.slice(0, kept * 5),
        askSize: session.snapshots.askSize.slice(0, kept * 5),
        bidPrice: session.snapshots.bidPrice.slice(0, kept * 5),
        bidSize: session.snapshots.bidSize.slice(0, kept * 5),
      },
    };
    const short = computeFeatures(cut.events, cut.snapshots, TICK, set);
    expect(firstDifference(short.values, whole.values.subarray(0, kept * whole.columns))).toBe(-1);
  });
});
