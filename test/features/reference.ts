import type { FeatureDefinition, FeatureSet } from '../../src/features/index.js';
import { type BookSnapshots, type EventBatch, EventType } from '../../src/market/events.js';

/**
 * Every feature once more, in plain TypeScript and float64: no running totals, no state; each window is summed anew from
 * the rows, as the formulas of the catalogue are written. The oracle of the native code.
 */
export function referenceFeatures(
  events: EventBatch,
  books: BookSnapshots,
  tick: number,
  set: FeatureSet,
): { columns: number; values: Float64Array } {
  const { mids, spreads } = midsAndSpreads(books);
  const session = { events, books, tick, mids, spreads };
  const rows = Array.from({ length: events.length }, (_, i) =>
    set.flatMap((definition) => write(session, i, definition)),
  );
  const columns = rows[0]?.length ?? 0;
  return { columns, values: Float64Array.from(rows.flat()) };
}

interface Session {
  events: EventBatch;
  books: BookSnapshots;
  tick: number;
  mids: number[];
  spreads: number[];
}

export function slog(x: number): number {
  return Math.sign(x) * Math.log1p(Math.abs(x));
}

function midsAndSpreads(books: BookSnapshots) {
  const mids: number[] = [];
  const spreads: number[] = [];
  for (let i = 0; i < books.length; i++) {
    const at = i * books.levels;
    const ask = books.askSize[at] > 0;
    const bid = books.bidSize[at] > 0;
    if (ask && bid) {
      mids.push((books.askPrice[at] + books.bidPrice[at]) / 2);
      spreads.push(books.askPrice[at] - books.bidPrice[at]);
    } else if (i > 0) {
      mids.push(mids[i - 1]);
      spreads.push(spreads[i - 1]);
    } else {
      mids.push(ask ? books.askPrice[at] : bid ? books.bidPrice[at] : 0);
      spreads.push(0);
    }
  }
  return { mids, spreads };
}

function write(session: Session, i: number, { name, params = {} }: FeatureDefinition): number[] {
  const { events, books, tick, mids, spreads } = session;
  const { from = 1, to = 0, events: n = 0 } = params;
  const at = i * books.levels;
  const mid = mids[i];
  const past = (k: number) => Math.max(0, i - k);
  const window = Array.from({ length: Math.min(n, i + 1) }, (_, k) => i - k);
  const total = (sizes: Int32Array) => {
    let sum = 0;
    for (let l = from - 1; l < to; l++) sum += sizes[at + l];
    return sum;
  };
  const quotient = (a: number, b: number) => (b === 0 ? 0 : a / b);
  switch (name) {
    case 'levels': {
      const row: number[] = [];
      const distance = (prices: Int32Array, sizes: Int32Array, level: number): number => {
        for (let l = level; l >= 0; l--) if (sizes[at + l] > 0) return (prices[at + l] - mid) / tick;
        return 0;
      };
      for (let l = from - 1; l < to; l++) {
        row.push(slog(distance(books.askPrice, books.askSize, l)), slog(books.askSize[at + l]));
        row.push(slog(distance(books.bidPrice, books.bidSize, l)), slog(books.bidSize[at + l]));
      }
      return row;
    }
    case 'spread':
      return [slog(spreads[i] / tick)];
    case 'microprice': {
      const [a, b] = [books.askPrice[at], books.bidPrice[at]];
      const [sizeA, sizeB] = [books.askSize[at], books.bidSize[at]];
      if (sizeA <= 0 || sizeB <= 0) return [0];
      return [slog(((a - mid) * sizeB + (b - mid) * sizeA) / (sizeA + sizeB) / tick)];
    }
    case 'imbalance': {
      const [ask, bid] = [total(books.askSize), total(books.bidSize)];
      return [quotient(bid - ask, bid + ask)];
    }
    case 'depth':
      return [slog(total(books.askSize)), slog(total(books.bidSize))];
    case 'order_flow_imbalance': {
      let sum = 0;
      for (const j of window) for (let l = from - 1; l < to; l++) sum += orderFlow(books, j, l);
      return [slog(sum)];
    }
    case 'trade_imbalance': {
      let sum = 0;
      for (const j of window) {
        const trade = events.type[j] === EventType.execute || events.type[j] === EventType.executeHidden;
        if (trade) sum += events.side[j] === -1 ? events.size[j] : -events.size[j];
      }
      return [slog(sum)];
    }
    case 'mid_change':
      return [slog((mid - mids[past(n)]) / tick)];
    case 'past_return':
      return [10_000 * quotient(mid - mids[past(n)], Math.abs(mids[past(n)]))];
    case 'mid_deviation': {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += mids[past(k)];
      return [slog((mid - sum / n) / tick)];
    }
    case 'last_move': {
      for (let j = i; j > 0; j--) {
        if (mids[j] !== mids[j - 1]) return [slog((mids[j] - mids[j - 1]) / tick), slog(i - j)];
      }
      return [0, slog(i)];
    }
    case 'volatility': {
      let sum = 0;
      for (const j of window) if (j > 0) sum += (mids[j] - mids[j - 1]) ** 2;
      return [slog(Math.sqrt(sum) / tick)];
    }
    case 'time_gap':
      return [slog(Number(elapsed(events, past(1), i)) / 1000)];
    case 'intensity': {
      const seconds = Math.max(1, Number(elapsed(events, past(n), i))) / 1e9;
      return [slog(Math.min(n, i) / seconds)];
    }
    case 'event': {
      const type = events.type[i];
      const signed = events.side[i] * events.size[i];
      const add = type === EventType.add;
      const removal = type === EventType.cancel || type === EventType.delete;
      const trade = type === EventType.execute || type === EventType.executeHidden;
      const distance = (events.side[i] * (mid - events.price[i])) / tick;
      return [
        add ? slog(signed) : 0,
        removal ? slog(-signed) : 0,
        trade ? slog(-signed) : 0,
        add || removal || trade ? slog(distance) : 0,
      ];
    }
    case 'gap':
      return Array.from({ length: to - from + 1 }, (_, k) => from - 1 + k).flatMap((l) =>
        (['ask', 'bid'] as const).map((side) => {
          const prices = books[`${side}Price`];
          if (books[`${side}Size`][at + l] === 0) return 0;
          const sign = side === 'ask' ? 1 : -1;
          return slog((sign * (prices[at + l] - (l === 0 ? mid : prices[at + l - 1]))) / tick);
        }),
      );
    case 'centre': {
      const middles = (['ask', 'bid'] as const).map((side) => {
        const there: number[] = [];
        for (let l = from - 1; l < to; l++)
          if (books[`${side}Size`][at + l] > 0) there.push(books[`${side}Price`][at + l]);
        return there.reduce((a, b) => a + (b - mid), 0) / there.length;
      });
      return [middles.some(Number.isNaN) ? 0 : slog((middles[0] + middles[1]) / 2 / tick)];
    }
    case 'touch_deviation':
      return (['ask', 'bid'] as const).map((side) => {
        const now = touch(session, side, i);
        let sum = 0;
        for (let k = 0; k < n; k++) sum += now - touch(session, side, past(k));
        return slog(sum / n / tick);
      });
    case 'touch_change':
      return (['ask', 'bid'] as const).flatMap((side) => {
        for (let j = i; j > 0; j--) {
          const change = touch(session, side, j) - touch(session, side, j - 1);
          if (change !== 0) return [slog(change / tick), slog(i - j)];
        }
        return [0, slog(i)];
      });
    case 'touch_events': {
      const counts = [0, 0, 0];
      for (const j of window) {
        const [type, side, price] = [events.type[j], events.side[j], events.price[j]];
        const [bids, asks] = (['bid', 'ask'] as const).map((s) => [
          touch(session, s, j),
          touch(session, s, Math.max(0, j - 1)),
        ]);
        const inside = side > 0 ? price >= Math.min(...bids) : price <= Math.max(...asks);
        if (type === EventType.add && inside) counts[0] += side;
        if ((type === EventType.cancel || type === EventType.delete) && inside) counts[1] -= side;
        if (type === EventType.execute) counts[2] -= side;
      }
      return counts.map(slog);
    }
    case 'last_trade': {
      const trades = Array.from({ length: i + 1 }, (_, j) => j).filter(
        (j) => events.type[j] === EventType.execute || events.type[j] === EventType.executeHidden,
      );
      const last = trades.at(-1);
      const since = (side: number) => i - (trades.filter((j) => events.side[j] === side).at(-1) ?? 0);
      return [
        slog(((last === undefined ? mids[0] : events.price[last]) - mid) / tick),
        slog(since(-1)),
        slog(since(1)),
      ];
    }
    case 'mid_score': {
      let sum = 0;
      let squares = 0;
      for (let k = 0; k < n; k++) {
        sum += mids[past(k)];
        squares += (mids[past(k)] - mids[past(k + 1)]) ** 2;
      }
      return [quotient(mid - sum / n, Math.sqrt(squares))];
    }
    case 'ages': {
      const latest = (happened: (j: number) => boolean) => {
        let j = i;
        while (j > 0 && !happened(j)) j--;
        return slog(Number(elapsed(events, j, i)) / 1000);
      };
      const trade = (j: number, side: number) =>
        (events.type[j] === EventType.execute || events.type[j] === EventType.executeHidden) && events.side[j] === side;
      return [
        latest((j) => mids[j] !== mids[j - 1]),
        ...(['ask', 'bid'] as const).map((side) =>
          latest((j) => touch(session, side, j) !== touch(session, side, j - 1)),
        ),
        latest((j) => trade(j, -1)),
        latest((j) => trade(j, 1)),
      ];
    }
  }
}

/** The best price of a side in row i, in ticks of the price unit; of an empty side, what it last was, or the mid of row 0. */
function touch({ books, mids }: Session, side: 'ask' | 'bid', i: number): number {
  for (let j = i; j >= 0; j--) {
    if (books[`${side}Size`][j * books.levels] > 0) return books[`${side}Price`][j * books.levels];
  }
  return mids[0];
}

function elapsed(events: EventBatch, from: number, to: number): bigint {
  const difference = events.timeNs[to] - events.timeNs[from];
  return difference < 0n ? 0n : difference;
}

/** e_l of Cont, Kukanov & Stoikov (2014), as the four indicator terms of the paper. */
function orderFlow(books: BookSnapshots, i: number, level: number): number {
  if (i === 0) return 0;
  const at = i * books.levels + level;
  const before = at - books.levels;
  let flow = 0;
  if (books.bidPrice[at] >= books.bidPrice[before]) flow += books.bidSize[at];
  if (books.bidPrice[at] <= books.bidPrice[before]) flow -= books.bidSize[before];
  if (books.askPrice[at] <= books.askPrice[before]) flow -= books.askSize[at];
  if (books.askPrice[at] >= books.askPrice[before]) flow += books.askSize[before];
  return flow;
}
