/** Heads with windows, strides and slopes of their own, against the definition. */
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { type AttentionAttributes, attentionOperation } from '../../src/graph/ops/attention.js';
import { attentionGradOperation } from '../../src/graph/ops/attention-grad.js';
import { alibiSlopes } from '../../src/graph/ops/attention-pattern.js';
import { againstDefinition, defined, drawn, f32 } from './oracle.js';

const forward = attentionOperation as Operation<never>;
const backward = attentionGradOperation as Operation<never>;

const patterns: Pick<AttentionAttributes, 'windows' | 'strides' | 'alibi'>[] = [
  { windows: [1, 5, 0] },
  { windows: [16, 40, 130] },
  { strides: [1, 2, 7] },
  { windows: [12, 0, 33], strides: [3, 50, 1] },
  { alibi: alibiSlopes(3) },
  { windows: [9, 70, 0], strides: [2, 1, 5], alibi: [0.25, 0.01, 1] },
];
const sizes: [steps: number, headDim: number][] = [
  [1, 16],
  [2, 8],
  [15, 20],
  [16, 32],
  [17, 4],
  [33, 64],
  [100, 32],
  [129, 33],
  [257, 8],
  [70, 80],
  [24, 128],
  [530, 4],
];
// Small sizes take every pattern, large ones three of them in turn.
const cases = sizes.flatMap(([steps, headDim], i) =>
  patterns
    .filter((_, p) => steps < 50 || (p + i) % 2 === 0)
    .flatMap((pattern) =>
      ([true, false] as const).flatMap((causal) =>
        (['all', 'last'] as const).map((queries) => ({
          name: `T ${steps}, headDim ${headDim}, ${causal ? 'causal' : 'full'} ${queries} ${JSON.stringify(pattern)}`,
          steps,
          headDim,
          attrs: { heads: 3, causal, queries, ...pattern },
        })),
      ),
    ),
);

describe('attention with a pattern', () => {
  it.each(cases)('is the definition: $name', ({ steps, headDim, attrs }) => {
    const qkv = drawn([1, steps, 9 * headDim], steps);
    againstDefinition(forward, [qkv], { attrs, bound: () => 1e-5 });
    const [o, lse] = defined(forward, [qkv], attrs);
    const dO = drawn(o.shape, 2);
    againstDefinition(backward, [dO, qkv, f32(o.shape, o.data), f32(lse.shape, lse.data)], {
      attrs,
      bound: (_, want) => 3e-5 + 1e-5 * Math.abs(want),
    });
  });
});

describe('alibiSlopes', () => {
  it('gives the slopes of the paper, powers of two or not', () => {
    expect(alibiSlopes(8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((h) => 2 ** -h));
    expect(alibiSlopes(4)).toEqual([2 ** -2, 2 ** -4, 2 ** -6, 2 ** -8]);
    expect(alibiSlopes(6)).toEqual([2 ** -2, 2 ** -4, 2 ** -6, 2 ** -8, 2 ** -1, 2 ** -3]);
    expect(alibiSlopes(1)).toEqual([2 ** -8]);
  });
});
