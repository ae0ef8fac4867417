import { describe, it } from 'vitest';
import type { Operation } from '../../src/graph/operation.js';
import { attentionOperation } from '../../src/graph/ops/attention.js';
import { attentionGradOperation } from '../../src/graph/ops/attention-grad.js';
import { againstDefinition, defined, drawn, f32 } from './oracle.js';

const forward = attentionOperation as Operation<never>;
const backward = attentionGradOperation as Operation<never>;

interface Case {
  batch: number;
  steps: number;
  heads: number;
  headDim: number;
  causal: boolean;
  queries: 'all' | 'last';
}

const name = (c: Case) =>
  `${c.batch}×${c.steps}, ${c.heads} heads of ${c.headDim}, ${c.causal ? 'causal' : 'full'}, ${c.queries}`;

const sizes: [batch: number, steps: number, heads: number, headDim: number][] = [
  [2, 100, 4, 32],
  [1, 1, 1, 1],
  [1, 2, 2, 3],
  [2, 7, 1, 8],
  [1, 17, 3, 16],
  [1, 31, 2, 33],
  [1, 64, 1, 48],
  [1, 65, 2, 5],
  [1, 129, 2, 20],
  [1, 200, 1, 64],
  [1, 300, 1, 7],
  [1, 40, 1, 256],
  [1, 33, 1, 255],
  [9, 5, 2, 12],
  [1, 15, 2, 80],
  [1, 257, 1, 20],
  [1, 600, 1, 16],
  [1, 70, 1, 128],
];
const cases: Case[] = sizes.flatMap(([batch, steps, heads, headDim]) =>
  ([true, false] as const).flatMap((causal) =>
    (['all', 'last'] as const).map((queries) => ({ batch, steps, heads, headDim, causal, queries })),
  ),
);

const attrsOf = ({ heads, causal, queries }: Case) => ({ heads, causal, queries });
const qkvOf = (c: Case, seed = 1, deviation = 1) => drawn([c.batch, c.steps, 3 * c.heads * c.headDim], seed, deviation);

describe('attention', () => {
  it.each(cases.map((c) => [name(c), c] as const))('is the definition: %s', (_, c) => {
    // Scores have deviation 1, so that |S| stays below 8; |v| below 5.
    againstDefinition(forward, [qkvOf(c)], { attrs: attrsOf(c), bound: () => 8e-6 });
  });
});

describe('attention_grad', () => {
  it.each(cases.map((c) => [name(c), c] as const))('is the definition: %s', (_, c) => {
    const qkv = qkvOf(c);
    const [o, lse] = defined(forward, [qkv], attrsOf(c));
    const dO = drawn(o.shape, 2);
    againstDefinition(backward, [dO, qkv, f32(o.shape, o.data), f32(lse.shape, lse.data)], {
      attrs: attrsOf(c),
      bound: (_, want) => 3e-5 + 1e-5 * Math.abs(want),
    });
  });
});
