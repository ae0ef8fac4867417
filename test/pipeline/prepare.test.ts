import { describe, expect, it } from 'vitest';
import type { RowRange } from '../../src/data/index.js';
import { EventType, type MarketSession, syntheticSession } from '../../src/market/index.js';
import { runConfig } from '../../src/pipeline/config.js';
import { type PreparedData, prepareData } from '../../src/pipeline/prepare.js';
import { horizonMetrics } from '../../src/pipeline/score.js';

const rows = 4000;
const session = syntheticSession({ seed: 3, events: rows });

/** The same session until row `from`; from there on trading is halted and nothing moves. */
function haltedFrom(from: number): MarketSession {
  const { timeNs, type, orderId, side, price, size } = session.events;
  return {
    ...session,
    events: {
      length: rows,
      timeNs,
      type: type.slice().fill(EventType.halt, from),
      orderId: orderId.slice().fill(0n, from),
      side: side.slice().fill(-1, from),
      price: price.slice().fill(-1, from),
      size: size.slice().fill(0, from),
    },
  };
}

describe.each(['mid', 'past'] as const)("what a run makes of a session, label '%s'", (label) => {
  const config = runConfig({ events: rows, window: 20, horizons: [5, 20], levels: 3, label });
  const whole = prepareData(session, config);

  /** All that training reads of the rows of a part: features of its windows and the classes of its rows. */
  const seen = (data: PreparedData, { start, end }: RowRange) => ({
    features: data.table.values.slice((start - config.window + 1) * data.table.columns, end * data.table.columns),
    classes: data.labels.map(({ classes }) => classes.slice(start, end)),
  });

  it.each([
    ['train', 0.6 * rows],
    ['validation', 0.8 * rows],
  ] as const)('nothing of %s depends on a row from %i on', (name, border) => {
    const changed = prepareData(haltedFrom(border), config);
    const part = whole.split[name];
    expect(changed.split).toEqual(whole.split);
    expect(seen(changed, part)).toEqual(seen(whole, part));
    expect(changed.labels.map(({ threshold }) => threshold)).toEqual(whole.labels.map(({ threshold }) => threshold));
    expect([changed.scaler.mean, changed.scaler.inverseStd]).toEqual([whole.scaler.mean, whole.scaler.inverseStd]);
    for (const [h, labels] of changed.labels.entries()) {
      const [after, before] = [horizonMetrics(changed, labels), horizonMetrics(whole, whole.labels[h])];
      expect(after.balance[name]).toEqual(before.balance[name]);
      expect(after.balance.test).not.toEqual(before.balance.test);
    }
    // The test has power: 60 rows earlier, the last labels of the part see it.
    expect(seen(prepareData(haltedFrom(border - 60), config), part)).not.toEqual(seen(whole, part));
  });

  it('leaves out what windows, labels and the memory of features reach over', () => {
    const { train, validation, test } = whole.split;
    const reach = label === 'past' ? Math.max(config.window, 20) : config.window;
    expect([whole.purge, whole.embargo]).toEqual([20, 100]);
    expect(train).toEqual({ start: reach - 1, end: 2400 - 20 });
    expect(validation).toEqual({ start: 2400 + 100 + reach - 1, end: 3200 - 20 });
    expect(test).toEqual({ start: 3200 + 100 + reach - 1, end: 4000 - 20 });
  });
});
