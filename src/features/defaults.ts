import { integer } from '../core/options.js';
import type { FeatureDefinition, FeatureSet } from './definition.js';

/** The windows, in events, of flows, returns and rates. */
const WINDOWS = [10, 50, 100];

/**
 * The default features for a book of `levels` levels: 89 columns at 10 levels. What needs deeper levels than there are is
 * left out, so that a level-1 feed has a default too.
 */
export function defaultFeatures(levels = 10): FeatureSet {
  integer('levels', levels, 1, 1000);
  const ranges = (...ends: number[]) => [...new Set(ends.map((end) => Math.min(end, levels)))].filter((end) => end > 1);
  const set: FeatureDefinition[] = [
    { name: 'levels', params: { to: levels } },
    { name: 'spread' },
    { name: 'microprice' },
  ];
  for (let level = 1; level <= Math.min(5, levels); level++) {
    set.push({ name: 'imbalance', params: { from: level, to: level } });
  }
  for (const to of ranges(2, 3, 5, 10)) set.push({ name: 'imbalance', params: { from: 1, to } });
  for (const to of ranges(5, 10)) set.push({ name: 'depth', params: { from: 1, to } });
  const flow = (from: number, to: number, windows: number[]) => {
    if (from > levels) return;
    for (const events of windows) {
      set.push({ name: 'order_flow_imbalance', params: { from, to: Math.min(to, levels), events } });
    }
  };
  flow(1, 1, [1, ...WINDOWS]);
  flow(2, 5, [1, ...WINDOWS]);
  flow(6, 10, [10, 100]);
  for (const events of WINDOWS) set.push({ name: 'trade_imbalance', params: { events } });
  set.push({ name: 'mid_change', params: { events: 1 } });
  for (const events of [5, 10, 20, 50, 100]) set.push({ name: 'past_return', params: { events } });
  for (const events of WINDOWS) set.push({ name: 'mid_deviation', params: { events } });
  set.push({ name: 'last_move' });
  for (const events of WINDOWS) set.push({ name: 'volatility', params: { events } });
  set.push({ name: 'time_gap' });
  for (const events of [10, 100]) set.push({ name: 'intensity', params: { events } });
  set.push({ name: 'event' });
  return set;
}

/**
 * The default features and those for models of few rows, which must be told the past: gaps and middle of the book, the best quotes and their age,
 * what happened at the touch, the last trade, how long all that is ago; flows, moves, deviations and rates over windows from 2 to 500 events. 185 columns at
 * 10 levels.
 */
export function extendedFeatures(levels = 10): FeatureSet {
  const over = (
    name: FeatureDefinition['name'],
    windows: readonly number[],
    params: FeatureDefinition['params'] = {},
  ) => windows.map((events): FeatureDefinition => ({ name, params: { ...params, events } }));
  const single = Array.from({ length: Math.min(5, levels) - 1 }, (_, i) => ({ from: i + 2, to: i + 2 }));
  const ends = [...new Set([2, 3, 5, 10].map((end) => Math.min(end, levels)))].filter((end) => end > 1);
  return [
    ...defaultFeatures(levels),
    { name: 'gap', params: { to: Math.min(6, levels) } },
    ...ends.map((to): FeatureDefinition => ({ name: 'centre', params: { to } })),
    { name: 'touch_change' },
    { name: 'last_trade' },
    ...over('touch_deviation', [2, 5, 10, 20, 50, 100, 200, 500]),
    ...over('touch_events', [5, 20, 100]),
    ...over('order_flow_imbalance', [2, 5, 20, 200, 500], { from: 1, to: 1 }),
    // Of a book of two levels, level 2 is all that the default features have of levels 2 to 5.
    ...(levels > 2 ? single.flatMap((level) => over('order_flow_imbalance', [5, 20], level)) : []),
    ...(levels > 1 ? over('order_flow_imbalance', [200, 500], { from: 1, to: Math.min(5, levels) }) : []),
    ...over('trade_imbalance', [5, 20, 200, 500]),
    ...over('mid_change', [2, 3, 5, 10, 20]),
    ...over('mid_deviation', [2, 3, 5, 20, 200, 500]),
    ...over('intensity', [2, 3, 5, 20]),
    ...over('mid_score', [2, 3, 5, 10, 20, 50, 100, 200, 500]),
    { name: 'ages' },
  ];
}
