/** Events through the order book and rows of features: whole sessions in one call, one by one, and as one would write it first. */
import { OrderBook, rebuildBook } from '../../book/index.js';
import { computeFeatures, defaultFeatures, FeatureStream } from '../../features/index.js';
import { type BookSnapshots, EventType, type MarketSession, syntheticSession } from '../../market/index.js';
import { type BenchCase, timed } from '../case.js';
import { scriptContender } from '../graph-contenders.js';
import { places } from '../random-values.js';
import { once, type SuiteOptions } from '../suite.js';

const LEVELS = 10;

/** The book and the features run on the calling thread alone. */
export function marketCases({ threads, quick }: SuiteOptions): BenchCase[] {
  if (threads !== 1) return [];
  const session = once(() => syntheticSession({ seed: 1, events: quick ? 20_000 : 100_000 }));
  return [bookCase(session), featureCase(session)];
}

function bookCase(session: () => MarketSession): BenchCase {
  const volumes = ({ bidSize, askSize }: BookSnapshots) => Float64Array.from(bidSize, (size, i) => size - askSize[i]);
  return {
    suite: 'market',
    name: 'book, 10 levels after each event',
    threads: 1,
    bound: 'none',
    operations: 0,
    bytes: 0,
    get items() {
      return { unit: 'events', count: session().events.length };
    },
    contenders: [
      scriptContender({ role: 'fast', name: 'flashbook', tolerance: 0 }, () => {
        const { snapshots: out } = rebuildBook(session(), { levels: LEVELS });
        return { call: () => void rebuildBook(session(), { out }), output: () => volumes(out) };
      }),
      scriptContender({ role: 'plain', name: 'event by event', tolerance: 0 }, () => {
        const { snapshots: out } = rebuildBook(session(), { levels: LEVELS });
        return { call: () => streamBook(session(), out), output: () => volumes(out) };
      }),
      scriptContender({ name: 'JavaScript', tolerance: 0 }, () => {
        const { snapshots: out } = rebuildBook(session(), { levels: LEVELS });
        out.bidSize.fill(0);
        out.askSize.fill(0);
        return { call: () => naiveBook(session(), out), output: () => volumes(out) };
      }),
    ],
    expected: () => {
      const { snapshots } = rebuildBook(session(), { levels: LEVELS });
      const naive = { ...snapshots, bidSize: snapshots.bidSize.slice(), askSize: snapshots.askSize.slice() };
      naiveBook(session(), naive);
      const right = volumes(naive);
      const at = places(4096, right.length, 3);
      return { at, values: Float64Array.from(at, (i) => right[i]) };
    },
  };
}

function streamBook({ events }: MarketSession, out: BookSnapshots): void {
  const { timeNs, type, orderId, side, price, size, length } = events;
  const book = new OrderBook({ levels: LEVELS });
  const event = { timeNs: 0n, type: 0, orderId: 0n, side: 0, price: 0, size: 0 };
  const row = book.snapshot();
  for (let i = 0; i < length; i++) {
    event.timeNs = timeNs[i];
    event.type = type[i];
    event.orderId = orderId[i];
    event.side = side[i];
    event.price = price[i];
    event.size = size[i];
    book.apply(event);
    book.snapshot(row);
    out.bidSize.set(row.bidSize, i * LEVELS);
    out.askSize.set(row.askSize, i * LEVELS);
  }
  book.dispose();
}

/** Orders in a map, volumes in sorted arrays of prices. */
function naiveBook({ events }: MarketSession, out: BookSnapshots): void {
  const orders = new Map<bigint, number>();
  const sides = {
    bids: { prices: [] as number[], volumes: new Map<number, number>() },
    asks: { prices: [] as number[], volumes: new Map<number, number>() },
  };
  for (let i = 0; i < events.length; i++) {
    const [type, id, side, price, size] = [
      events.type[i],
      events.orderId[i],
      events.side[i],
      events.price[i],
      events.size[i],
    ];
    const { prices, volumes } = side > 0 ? sides.bids : sides.asks;
    const before = volumes.get(price) ?? 0;
    if (type === EventType.add) {
      orders.set(id, size);
      if (before === 0) {
        const behind = prices.findIndex((other) => (side > 0 ? other < price : other > price));
        prices.splice(behind < 0 ? prices.length : behind, 0, price);
      }
      volumes.set(price, before + size);
    } else if (type === EventType.cancel || type === EventType.delete || type === EventType.execute) {
      const left = (orders.get(id) ?? 0) - size;
      if (left > 0) orders.set(id, left);
      else orders.delete(id);
      volumes.set(price, before - size);
      if (before === size) {
        volumes.delete(price);
        prices.splice(prices.indexOf(price), 1);
      }
    }
    for (let l = 0; l < LEVELS; l++) {
      out.bidSize[i * LEVELS + l] = sides.bids.volumes.get(sides.bids.prices[l]) ?? 0;
      out.askSize[i * LEVELS + l] = sides.asks.volumes.get(sides.asks.prices[l]) ?? 0;
    }
  }
}

function featureCase(session: () => MarketSession): BenchCase {
  const set = defaultFeatures(LEVELS);
  const books = once(() => rebuildBook(session(), { levels: LEVELS }).snapshots);
  const batch = () => computeFeatures(session().events, books(), session().instrument, set).values;
  return {
    suite: 'market',
    name: 'features, the default set',
    threads: 1,
    bound: 'none',
    operations: 0,
    bytes: 0,
    get items() {
      return { unit: 'rows', count: session().events.length };
    },
    contenders: [
      {
        role: 'fast',
        name: 'flashbook',
        tolerance: 0,
        open: () => {
          let values = new Float32Array(0);
          return {
            run: () =>
              timed(() => {
                values = batch() as Float32Array<ArrayBuffer>;
              }),
            output: () => values,
            close: () => {},
          };
        },
      },
      scriptContender({ role: 'plain', name: 'event by event', tolerance: 0 }, () => {
        let values = new Float32Array(0);
        return {
          call: () => {
            values = streamFeatures(session(), books());
          },
          output: () => values,
        };
      }),
    ],
    expected: () => ({ values: streamFeatures(session(), books()) }),
  };
}

function streamFeatures({ events, instrument }: MarketSession, books: BookSnapshots): Float32Array<ArrayBuffer> {
  const features = new FeatureStream(defaultFeatures(LEVELS), instrument, LEVELS);
  const { columns } = features;
  const values = new Float32Array(events.length * columns);
  const event = { timeNs: 0n, type: 0, side: 0, price: 0, size: 0 };
  for (let i = 0; i < events.length; i++) {
    event.timeNs = events.timeNs[i];
    event.type = events.type[i];
    event.side = events.side[i];
    event.price = events.price[i];
    event.size = events.size[i];
    const levels = (column: Int32Array) => column.subarray(i * LEVELS, (i + 1) * LEVELS);
    const book = {
      askPrice: levels(books.askPrice),
      askSize: levels(books.askSize),
      bidPrice: levels(books.bidPrice),
      bidSize: levels(books.bidSize),
    };
    features.push(event, book, values.subarray(i * columns, (i + 1) * columns));
  }
  return values;
}
