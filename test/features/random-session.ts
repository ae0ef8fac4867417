import { Random } from '../../src/core/random.js';
import { type BookSnapshots, EMPTY_ASK_PRICE, EMPTY_BID_PRICE, type EventBatch } from '../../src/market/events.js';

export interface RandomSession {
  events: EventBatch;
  snapshots: BookSnapshots;
}

/**
 * Events and books drawn at random: not a market, but every case that a feature must bear: moving and standing prices, equal
 * times, all event types, sides that run out of levels or are empty.
 */
export function randomSession(
  seed: number,
  rows: number,
  levels: number,
  options: { emptyShare?: number; largestSize?: number; centre?: number } = {},
): RandomSession {
  const { emptyShare = 0.1, largestSize = 2000, centre = 5_800_000 } = options;
  const random = new Random(seed);
  const events = emptyEvents(rows);
  const snapshots = emptySnapshots(rows, levels);
  let time = 34_200_000_000_000n;
  let mid = centre;
  for (let i = 0; i < rows; i++) {
    if (random.float() < 0.9) time += BigInt(random.below(random.float() < 0.05 ? 2_000_000_000 : 5_000_000));
    events.timeNs[i] = time;
    events.type[i] = 1 + random.below(7);
    events.orderId[i] = BigInt(random.below(1_000_000));
    events.side[i] = random.float() < 0.5 ? 1 : -1;
    if (random.float() < 0.3) mid += 50 * (random.below(21) - 10);
    events.price[i] = mid + 100 * (random.below(41) - 20);
    events.size[i] = 1 + random.below(largestSize);
    const stand = i > 0 && random.float() < 0.4;
    for (const side of ['ask', 'bid'] as const) {
      const there = random.float() < emptyShare ? random.below(levels + 1) : levels;
      let distance = 100 * random.below(6) + 50;
      for (let l = 0; l < levels; l++) {
        const at = i * levels + l;
        if (stand) {
          snapshots[`${side}Price`][at] = snapshots[`${side}Price`][at - levels];
          snapshots[`${side}Size`][at] = snapshots[`${side}Size`][at - levels];
          continue;
        }
        const present = l < there;
        snapshots[`${side}Price`][at] = present
          ? mid + (side === 'ask' ? distance : -distance)
          : side === 'ask'
            ? EMPTY_ASK_PRICE
            : EMPTY_BID_PRICE;
        snapshots[`${side}Size`][at] = present ? 1 + random.below(largestSize) : 0;
        distance += 100 * (1 + random.below(4));
      }
    }
  }
  return { events, snapshots };
}

export function emptyEvents(rows: number) {
  return {
    length: rows,
    timeNs: new BigInt64Array(rows),
    type: new Uint8Array(rows),
    orderId: new BigInt64Array(rows),
    side: new Int8Array(rows),
    price: new Int32Array(rows),
    size: new Int32Array(rows),
  };
}

export function emptySnapshots(rows: number, levels: number) {
  return {
    length: rows,
    levels,
    askPrice: new Int32Array(rows * levels).fill(EMPTY_ASK_PRICE),
    askSize: new Int32Array(rows * levels),
    bidPrice: new Int32Array(rows * levels).fill(EMPTY_BID_PRICE),
    bidSize: new Int32Array(rows * levels),
  };
}

/** The first `rows` rows, followed by rows of another session: the same past, another future. */
export function withFutureOf(session: RandomSession, rows: number, other: RandomSession): RandomSession {
  const { levels } = session.snapshots;
  const join = <T extends Int32Array | Int8Array | Uint8Array | BigInt64Array>(a: T, b: T, width: number): T => {
    const joined = b.slice() as T;
    joined.set(a.subarray(0, rows * width) as never);
    return joined;
  };
  const { events, snapshots } = session;
  return {
    events: {
      length: other.events.length,
      timeNs: join(events.timeNs, other.events.timeNs, 1),
      type: join(events.type, other.events.type, 1),
      orderId: join(events.orderId, other.events.orderId, 1),
      side: join(events.side, other.events.side, 1),
      price: join(events.price, other.events.price, 1),
      size: join(events.size, other.events.size, 1),
    },
    snapshots: {
      length: other.snapshots.length,
      levels,
      askPrice: join(snapshots.askPrice, other.snapshots.askPrice, levels),
      askSize: join(snapshots.askSize, other.snapshots.askSize, levels),
      bidPrice: join(snapshots.bidPrice, other.snapshots.bidPrice, levels),
      bidSize: join(snapshots.bidSize, other.snapshots.bidSize, levels),
    },
  };
}

/** Where two arrays first differ in bits (−0 is not 0, NaN is itself), or −1; their lengths count too. */
export function firstDifference(a: Float32Array, b: Float32Array): number {
  const left = new Uint32Array(a.buffer, a.byteOffset, a.length);
  const right = new Uint32Array(b.buffer, b.byteOffset, b.length);
  for (let i = 0; i < Math.max(left.length, right.length); i++) if (left[i] !== right[i]) return i;
  return -1;
}
