import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { EventType, type MarketSession } from '../../../src/market/events.js';
import { reachableAccuracy } from '../../../src/market/synthetic/reachable-accuracy.js';
import { syntheticSession } from '../../../src/market/synthetic/session.js';
import { PlainBook } from '../../book/plain-book.js';

function digest({ events, hidden }: MarketSession): string {
  const hash = createHash('sha256');
  for (const column of [events.timeNs, events.type, events.orderId, events.side, events.price, events.size, hidden!]) {
    hash.update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
  }
  return hash.digest('hex');
}

/** Smoothed mid direction (Zhang et al. 2019, eq. 3): 0 down, 1 flat, 2 up by the tercile of |r| on the first 60 %, −1 undefined. */
function directions(session: MarketSession, k: number): Int32Array {
  const { askPrice, bidPrice, levels, length } = session.reference!;
  const mid = Float64Array.from({ length }, (_, i) => (askPrice[i * levels] + bidPrice[i * levels]) / 2);
  const first = 1000;
  const r = new Float64Array(length).fill(Number.NaN);
  for (let i = first; i + k < length; i++) {
    let sum = 0;
    for (let j = 1; j <= k; j++) sum += mid[i + j];
    r[i] = sum / k / mid[i] - 1;
  }
  const sizes = r
    .slice(first, Math.floor(0.6 * length))
    .map(Math.abs)
    .sort();
  const threshold = sizes[Math.floor(sizes.length / 3)];
  return Int32Array.from(r, (x) => (Number.isNaN(x) ? -1 : x > threshold ? 2 : x < -threshold ? 0 : 1));
}

describe('syntheticSession', () => {
  test('repeats from its seed, byte for byte', () => {
    const session = syntheticSession();
    expect(session.events.length).toBe(60_000);
    expect(digest(session)).toBe(digest(syntheticSession({ seed: 1, events: 60_000 })));
    expect(digest(session)).not.toBe(digest(syntheticSession({ seed: 2 })));
    // The session that documents and benchmarks speak of: a change of the generator must be meant.
    expect(digest(session).slice(0, 16)).toMatchInlineSnapshot(`"f38a907da9854d50"`);
  });

  test('recording the exchange’s own book changes nothing', () => {
    expect(digest(syntheticSession({ events: 5000, referenceLevels: 10 }))).toBe(
      digest(syntheticSession({ events: 5000 })),
    );
  });

  test('is an order flow that an exchange can have', () => {
    const { events } = syntheticSession({ seed: 9, events: 4000 });
    const book = new PlainBook();
    for (let i = 0; i < events.length; i++) {
      const event = {
        timeNs: events.timeNs[i],
        type: events.type[i],
        orderId: events.orderId[i],
        side: events.side[i],
        price: events.price[i],
        size: events.size[i],
      };
      if (event.type === EventType.execute) {
        // A market order takes the oldest order at the best price.
        const best = book.levels(event.side)[0];
        expect(event.price).toBe(best.price);
        expect(book.queueAhead(event.orderId)).toBe(0);
      }
      if (event.type === EventType.executeHidden) {
        const [bid, ask] = [book.levels(1)[0].price, book.levels(-1)[0].price];
        expect(event.price).toBeGreaterThanOrEqual(bid);
        expect(event.price).toBeLessThanOrEqual(ask);
      }
      expect(book.apply(event)).toBe('none');
      if (i >= 30 - 1) for (const side of [1, -1]) expect(book.levels(side).length).toBeGreaterThanOrEqual(10);
      if (event.type !== EventType.halt && event.type !== EventType.executeHidden) expect(event.price % 100).toBe(0);
    }
  });

  test('has every kind of event, a narrow touch, and lasts a trading day', () => {
    const { events, reference, instrument } = syntheticSession({ referenceLevels: 10 });
    const counts = new Array<number>(8).fill(0);
    for (const type of events.type) counts[type]++;
    const share = counts.map((count) => count / events.length);
    expect(share[EventType.add]).toBeGreaterThan(0.4);
    expect(share[EventType.delete]).toBeGreaterThan(0.3);
    expect(share[EventType.execute]).toBeGreaterThan(0.05);
    expect(share[EventType.cancel]).toBeGreaterThan(0.005);
    expect(share[EventType.executeHidden]).toBeGreaterThan(0.01);
    expect(counts[EventType.halt]).toBe(3);
    let spread = 0;
    for (let i = 30; i < events.length; i++) spread += reference!.askPrice[i * 10] - reference!.bidPrice[i * 10];
    expect(spread / events.length / instrument.tickSize).toBeLessThan(4);
    expect(Number(events.timeNs.at(-1)) / 1e9).toBeGreaterThan(50_000);
    expect(Number(events.timeNs.at(-1)) / 1e9).toBeLessThan(61_000);
    const halt = events.type.indexOf(EventType.halt);
    expect([...events.price.subarray(halt, halt + 3)]).toEqual([-1, 0, 1]);
    expect(Number(events.timeNs[halt + 2] - events.timeNs[halt]) / 1e9).toBe(300);
  });

  test('halts and rows as asked for, down to the smallest session', () => {
    expect(syntheticSession({ events: 2000, halts: 0 }).events.type.indexOf(EventType.halt)).toBe(-1);
    expect(
      [...syntheticSession({ events: 2000, halts: 3 }).events.type].filter((t) => t === EventType.halt).length,
    ).toBe(9);
    const smallest = syntheticSession({ events: 30 });
    expect(smallest.events.length).toBe(30);
    expect(new Set(smallest.events.type)).toEqual(new Set([EventType.add]));
  });

  test('refuses wrong options by name', () => {
    expect(() => syntheticSession({ event: 5 } as never)).toThrow(/did you mean 'events'/);
    expect(() => syntheticSession({ events: 29 })).toThrow(/events/);
    expect(() => syntheticSession({ persistence: 0 })).toThrow(/persistence/);
    expect(() => syntheticSession({ predictability: Number.NaN })).toThrow(/predictability/);
    expect(() => syntheticSession({ seed: 0.5 })).toThrow(/seed/);
  });

  test('who knows the hidden drift predicts 55 to 75 %, far above the majority; without predictability nobody does', () => {
    const fit = [0, 36_000] as const;
    const test = [48_000, 60_000] as const;
    for (const seed of [1, 2]) {
      const session = syntheticSession({ seed, referenceLevels: 1 });
      for (const [k, least] of [
        [10, 0.53],
        [50, 0.6],
        [100, 0.6],
      ]) {
        const { accuracy, majority } = reachableAccuracy(session.hidden!, directions(session, k), { fit, test });
        expect(accuracy).toBeGreaterThan(least);
        expect(accuracy).toBeLessThan(0.78);
        expect(accuracy - majority).toBeGreaterThan(0.15);
      }
    }
    const control = syntheticSession({ seed: 1, predictability: 0, referenceLevels: 1 });
    const { accuracy } = reachableAccuracy(control.hidden!, directions(control, 50), { fit, test });
    expect(Math.abs(accuracy - 1 / 3)).toBeLessThan(0.05);
  });
});
