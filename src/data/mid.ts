import type { BookSnapshots } from '../market/events.js';

/**
 * The mid price (best ask + best bid)/2 after each event, in integer ticks and halves. A book that lacks a side keeps the
 * mid of the last row that had both; before any such row it is NaN.
 */
export function midPrices(snapshots: BookSnapshots): Float64Array {
  const { length, levels, askPrice, askSize, bidPrice, bidSize } = snapshots;
  const mid = new Float64Array(length);
  let last = Number.NaN;
  for (let i = 0, best = 0; i < length; i++, best += levels) {
    if (askSize[best] > 0 && bidSize[best] > 0) last = (askPrice[best] + bidPrice[best]) / 2;
    mid[i] = last;
  }
  return mid;
}
