// Events a second through the order book: whole sessions in one native call, and event by event from JavaScript.
//
//   npm run build:native && node --import ./test/typescript-hooks.mjs bench/book.mjs [--events 1000000] [--repeats 7] [--lobster FILE.zip]
import { parseArgs } from 'node:util';
import { OrderBook, rebuildBook } from '../src/book/index.js';
import { readLobster, syntheticSession } from '../src/market/index.js';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    repeats: { type: 'string', default: '7' },
    lobster: { type: 'string' },
  },
});
const repeats = Number(values.repeats);

/** Best and median of the repeats in processor time, which a busy machine disturbs least, and the best wall time. */
function report(name, events, run) {
  run();
  const busy = [];
  const wall = [];
  for (let r = 0; r < repeats; r++) {
    const start = performance.now();
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    busy.push((user + system) / 1000);
    wall.push(performance.now() - start);
  }
  busy.sort((a, b) => a - b);
  const show = (ms) => `${(events / ms / 1000).toFixed(2)} M/s (${((ms * 1e6) / events).toFixed(0)} ns)`;
  console.log(
    `${name.padEnd(46)} best ${show(busy[0])}, median ${show(busy[repeats >> 1])}, wall ${show(Math.min(...wall))}`,
  );
}

function stream(session, snapshots) {
  const { timeNs, type, orderId, side, price, size, length } = session.events;
  const book = new OrderBook({ levels: 10 });
  const event = { timeNs: 0n, type: 0, orderId: 0n, side: 0, price: 0, size: 0 };
  const row = snapshots ? book.snapshot() : undefined;
  for (let i = 0; i < length; i++) {
    event.timeNs = timeNs[i];
    event.type = type[i];
    event.orderId = orderId[i];
    event.side = side[i];
    event.price = price[i];
    event.size = size[i];
    book.apply(event);
    if (snapshots) book.snapshot(row);
  }
  book.dispose();
}

const session = syntheticSession({ events: Number(values.events) });
const count = session.events.length;
report('synthetic, rebuild, 1 level a row', count, () => rebuildBook(session, { levels: 1 }));
const { snapshots: out } = rebuildBook(session, { levels: 10 });
report('synthetic, rebuild, 10 levels a row', count, () => rebuildBook(session, { out }));
report('synthetic, event by event', count, () => stream(session, false));
report('synthetic, event by event, 10 levels each', count, () => stream(session, true));

if (values.lobster !== undefined) {
  const start = performance.now();
  const day = await readLobster(values.lobster);
  console.log(
    `${values.lobster}: ${day.events.length} rows read in ${((performance.now() - start) / 1000).toFixed(2)} s`,
  );
  const { snapshots: rows, levelsTaken, mismatches } = rebuildBook(day);
  report('LOBSTER, rebuild and check of every level', day.events.length, () => rebuildBook(day, { out: rows }));
  console.log(`  ${levelsTaken} levels taken from the file, ${mismatches} rows that differ`);
}
