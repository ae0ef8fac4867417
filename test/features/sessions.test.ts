import { describe, expect, it } from 'vitest';
import { rebuildBook } from '../../src/book/index.js';
import { computeFeatures, defaultFeatures, FeatureStream } from '../../src/features/index.js';
import { type BookSnapshots, type MarketSession, readLobster, syntheticSession } from '../../src/market/index.js';
import { AAPL_ZIP, GOOG_ZIP } from '../data.js';
import { firstDifference } from './random-session.js';
import { referenceFeatures } from './reference.js';

/** The features of a whole session, event by event, against the batch; returns where they first differ. */
function streamAgainstBatch({ events, instrument }: MarketSession, snapshots: BookSnapshots): number {
  const { levels } = snapshots;
  const set = defaultFeatures(levels);
  const batch = computeFeatures(events, snapshots, instrument, set);
  expect(batch.values.every(Number.isFinite)).toBe(true);
  const stream = new FeatureStream(set, instrument, levels);
  const row = new Float32Array(stream.columns);
  for (let i = 0; i < events.length; i++) {
    const [from, to] = [i * levels, (i + 1) * levels];
    const book = {
      askPrice: snapshots.askPrice.subarray(from, to),
      askSize: snapshots.askSize.subarray(from, to),
      bidPrice: snapshots.bidPrice.subarray(from, to),
      bidSize: snapshots.bidSize.subarray(from, to),
    };
    const event = {
      timeNs: events.timeNs[i],
      type: events.type[i],
      side: events.side[i],
      price: events.price[i],
      size: events.size[i],
    };
    stream.push(event, book, row);
    const difference = firstDifference(row, batch.values.subarray(i * row.length, (i + 1) * row.length));
    if (difference >= 0) return i * row.length + difference;
  }
  return -1;
}

/** The first rows of a session against the plain reference, with the default features. */
function headAgainstReference({ events, instrument }: MarketSession, snapshots: BookSnapshots, rows: number): number {
  const { levels } = snapshots;
  const head = {
    length: rows,
    timeNs: events.timeNs.slice(0, rows),
    type: events.type.slice(0, rows),
    orderId: events.orderId.slice(0, rows),
    side: events.side.slice(0, rows),
    price: events.price.slice(0, rows),
    size: events.size.slice(0, rows),
  };
  const books = {
    length: rows,
    levels,
    askPrice: snapshots.askPrice.slice(0, rows * levels),
    askSize: snapshots.askSize.slice(0, rows * levels),
    bidPrice: snapshots.bidPrice.slice(0, rows * levels),
    bidSize: snapshots.bidSize.slice(0, rows * levels),
  };
  const set = defaultFeatures(levels);
  const { values } = computeFeatures(head, books, instrument, set);
  const reference = referenceFeatures(head, books, instrument.tickSize, set);
  expect(values.length).toBe(reference.values.length);
  let worst = 0;
  for (let j = 0; j < values.length; j++) {
    worst = Math.max(worst, Math.abs(values[j] - reference.values[j]) / Math.max(1, Math.abs(reference.values[j])));
  }
  return worst;
}

const TOLERANCE = 4 * 2 ** -23;

describe('features of whole sessions', () => {
  it('a synthetic session: streamed equal the batch to the bit, and agree with the reference', () => {
    const session = syntheticSession({ seed: 3, events: 20_000 });
    const { snapshots } = rebuildBook(session);
    expect(streamAgainstBatch(session, snapshots)).toBe(-1);
    expect(headAgainstReference(session, snapshots, 1500)).toBeLessThanOrEqual(TOLERANCE);
  });

  it.skipIf(GOOG_ZIP === undefined)('GOOG, a whole day at 10 levels', async () => {
    const session = await readLobster(GOOG_ZIP!);
    const { snapshots } = rebuildBook(session);
    expect(streamAgainstBatch(session, snapshots)).toBe(-1);
    expect(headAgainstReference(session, snapshots, 1500)).toBeLessThanOrEqual(TOLERANCE);
  });

  it.skipIf(AAPL_ZIP === undefined)('AAPL, a whole day at level 1', async () => {
    const session = await readLobster(AAPL_ZIP!);
    const { snapshots } = rebuildBook(session);
    expect(snapshots.levels).toBe(1);
    expect(streamAgainstBatch(session, snapshots)).toBe(-1);
    expect(headAgainstReference(session, snapshots, 1500)).toBeLessThanOrEqual(TOLERANCE);
  });
});
