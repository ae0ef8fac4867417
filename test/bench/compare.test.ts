import { expect, it } from 'vitest';
import { compareResults } from '../../src/bench/index.js';
import { exampleResults } from './example-results.js';

it('finds what got slower, and by how much', () => {
  const { slower, faster, same } = compareResults(exampleResults(), exampleResults({ medianMs: 1.3 }));
  expect(slower).toHaveLength(1);
  expect(slower[0]).toMatchObject({ beforeMs: 1, afterMs: 1.3 });
  expect(slower[0].ratio).toBeCloseTo(1.3);
  expect([faster.length, same]).toEqual([0, 0]);
});

it('finds what got faster', () => {
  expect(compareResults(exampleResults({ medianMs: 1.3 }), exampleResults()).faster).toHaveLength(1);
});

it('calls nothing slower that lies within the noise of the two runs', () => {
  expect(compareResults(exampleResults(), exampleResults({ medianMs: 1.04 })).slower).toEqual([]);
  const noisy = exampleResults({ noise: 0.1 });
  expect(compareResults(noisy, exampleResults({ medianMs: 1.3, noise: 0.1 })).slower).toEqual([]);
});

it('needs the best time to be slower too: a busy machine moves the median alone', () => {
  expect(compareResults(exampleResults(), exampleResults({ medianMs: 1.5, minMs: 1 })).slower).toEqual([]);
});

it("takes the machine's own speed of the day into account", () => {
  const throttled = exampleResults({ medianMs: 1.5, peak: 66.7 });
  expect(compareResults(exampleResults(), throttled).slower).toEqual([]);
  expect(compareResults(throttled, exampleResults()).faster).toEqual([]);
});

it('names cases that have no time any more, and leaves out those that were not asked for', () => {
  const wrong = exampleResults();
  wrong.rows[0].times = [];
  expect(compareResults(exampleResults(), wrong).missing).toEqual(['gemm/f32 8 × 8 × 8, 1 thread']);
  expect(compareResults(exampleResults(), exampleResults({}, { rows: [] })).missing).toEqual([]);
});

it('says what makes a comparison doubtful', () => {
  const { remarks } = compareResults(exampleResults({}, { cpu: 'another', quick: true }), exampleResults());
  expect(remarks.join(' ')).toMatch(/another processor.*quick/);
});
