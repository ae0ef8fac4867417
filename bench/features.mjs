// Rows of features a second: a whole batch, and event by event. 300,000 rows of a synthetic session at 10 levels.
//
//   npm run build:native && node --import ./test/typescript-hooks.mjs bench/features.mjs [--rows 300000] [--levels 10] [--repeats 9]
import { parseArgs } from 'node:util';
import { rebuildBook } from '../src/book/index.js';
import { computeFeatures, defaultFeatures, FeatureStream } from '../src/features/index.js';
import { syntheticSession } from '../src/market/index.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '300000' },
    levels: { type: 'string', default: '10' },
    repeats: { type: 'string', default: '9' },
  },
});
const [rows, levels, repeats] = [values.rows, values.levels, values.repeats].map(Number);

const session = syntheticSession({ seed: 1, events: rows });
const { events, instrument } = session;
const { snapshots } = rebuildBook(session, { levels });
const set = defaultFeatures(levels);

function batch() {
  return computeFeatures(events, snapshots, instrument, set).columns;
}

function stream() {
  const features = new FeatureStream(set, instrument, levels);
  const out = new Float32Array(features.columns);
  const book = {
    askPrice: new Int32Array(levels),
    askSize: new Int32Array(levels),
    bidPrice: new Int32Array(levels),
    bidSize: new Int32Array(levels),
  };
  const event = { timeNs: 0n, type: 0, side: 0, price: 0, size: 0 };
  for (let i = 0, at = 0; i < rows; i++) {
    event.timeNs = events.timeNs[i];
    event.type = events.type[i];
    event.side = events.side[i];
    event.price = events.price[i];
    event.size = events.size[i];
    for (let l = 0; l < levels; l++, at++) {
      book.askPrice[l] = snapshots.askPrice[at];
      book.askSize[l] = snapshots.askSize[at];
      book.bidPrice[l] = snapshots.bidPrice[at];
      book.bidSize[l] = snapshots.bidSize[at];
    }
    features.push(event, book, out);
  }
  return features.columns;
}

for (const [name, run] of Object.entries({ batch, stream })) {
  const columns = run();
  const wall = [];
  const cpu = [];
  for (let r = 0; r < repeats; r++) {
    const before = process.cpuUsage();
    const start = process.hrtime.bigint();
    run();
    wall.push(Number(process.hrtime.bigint() - start) / 1e9);
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / 1e6);
  }
  /** @param {number[]} times */
  const median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
  /** @param {number} seconds */
  const rate = (seconds) => `${(rows / seconds / 1e6).toFixed(2)} M rows/s`;
  const best = rate(Math.min(...wall));
  console.log(
    `${name}: ${columns} columns, median ${rate(median(wall))}, best ${best}, of processor time ${rate(median(cpu))}`,
  );
}
