import { describe, expect, it } from 'vitest';
import {
  CATALOGUE,
  computeFeatures,
  defaultFeatures,
  extendedFeatures,
  type FeatureSet,
  featureMirror,
  mirrorRows,
} from '../../src/features/index.js';
import { firstDifference, type RandomSession, randomSession } from './random-session.js';

const TICK = { tickSize: 100 };

/** The session had all buyers been sellers and every price p been −p. */
function reflected({ events, snapshots }: RandomSession): RandomSession {
  const { askPrice, askSize, bidPrice, bidSize } = snapshots;
  return {
    events: { ...events, side: events.side.map((side) => -side), price: events.price.map((price) => -price) },
    snapshots: {
      ...snapshots,
      askPrice: bidPrice.map((price) => -price),
      askSize: bidSize,
      bidPrice: askPrice.map((price) => -price),
      bidSize: askSize,
    },
  };
}

const EVERY: FeatureSet = CATALOGUE.map(({ name, levels, events }) => ({
  name,
  params: { ...(levels ? { from: 1, to: 3 } : {}), ...(events ? { events: 7 } : {}) },
}));

describe('the mirror of a feature set', () => {
  it.each([
    ['every feature', EVERY],
    ['the default features', defaultFeatures(3)],
    ['the extended features', extendedFeatures(3)],
  ])('gives the features of the mirrored session to the bit: %s', (_, set) => {
    const session = randomSession(1, 400, 3, { emptyShare: 0.2 });
    const image = reflected(session);
    const rows = computeFeatures(session.events, session.snapshots, TICK, set);
    const expected = computeFeatures(image.events, image.snapshots, TICK, set);
    // Adding 0 makes −0 one with 0.
    const plain = (values: Float32Array) => values.map((value) => value + 0);
    const at = firstDifference(plain(mirrorRows(rows.values, featureMirror(set, 3))), plain(expected.values));
    if (at >= 0) expect.fail(`row ${Math.floor(at / rows.columns)}, ${rows.names[at % rows.columns]}`);
  });

  it('is its own inverse', () => {
    const mirror = featureMirror(defaultFeatures(10), 10);
    const row = Float32Array.from({ length: mirror.from.length }, (_, i) => i + 1);
    expect(mirrorRows(mirrorRows(row, mirror), mirror)).toEqual(row);
    expect(mirrorRows(row, mirror)).not.toEqual(row);
  });
});
