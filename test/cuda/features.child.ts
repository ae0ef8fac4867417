/** Features on CUDA against the processor's, bit by bit: every kind, several segments, books with holes. */

import { rebuildBook } from '../../src/book/index.js';
import { Random } from '../../src/core/random.js';
import { CATALOGUE, computeFeatures, extendedFeatures, type FeatureSet } from '../../src/features/index.js';
import { syntheticSession } from '../../src/market/index.js';
import { answer } from './child.js';

export interface FeaturesAnswer {
  values: number;
  kinds: number;
  differences: string[];
}

const result: FeaturesAnswer = { values: 0, kinds: CATALOGUE.length, differences: [] };

const instrument = { tickSize: 100 };
const session = syntheticSession({ seed: 3, events: 700 });
const { snapshots } = rebuildBook(session);

// Sides that are empty for a while, clocks that go back, events of every type.
const random = new Random(5);
const spoilt = structuredClone({ ...snapshots });
const events = structuredClone({ ...session.events });
for (let row = 0; row < events.length; row++) {
  if (row % 97 < 5 || row < 3) {
    const sizes = row % 2 === 0 ? spoilt.askSize : spoilt.bidSize;
    sizes.fill(0, row * spoilt.levels, (row + 1) * spoilt.levels);
  }
  if (row % 50 === 7) events.timeNs[row] -= 1_000_000_000n;
  events.type[row] = 1 + Math.floor(random.float() * 7);
}

function compare(what: string, set: FeatureSet, segments: number[], book = snapshots, stream = session.events): void {
  const options = { segments };
  const cpu = computeFeatures(stream, book, instrument, set, { ...options, device: 'cpu' });
  const cuda = computeFeatures(stream, book, instrument, set, { ...options, device: 'cuda' });
  result.values += cpu.values.length;
  for (let i = 0; i < cpu.values.length; i++) {
    if (Object.is(cpu.values[i], cuda.values[i])) continue;
    const [row, column] = [Math.floor(i / cpu.columns), i % cpu.columns];
    result.differences.push(`${what}: row ${row} ${cpu.names[column]}: ${cuda.values[i]}, expected ${cpu.values[i]}`);
    if (result.differences.length > 20) return;
  }
}

const set = extendedFeatures();
compare('one segment', set, [0]);
compare('many segments', set, [0, 1, 2, 200, 456, 457, 690]);
compare('books with holes', set, [0, 3, 333], spoilt, events);
answer(result);
