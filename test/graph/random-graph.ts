/** Random graphs over tensors (3, 8) and their reshapes, with states that are read, updated and swapped: for planner tests. */
import fc from 'fast-check';
import {
  add,
  dropout,
  Graph,
  gelu,
  layerNorm,
  linear,
  relu,
  reshape,
  scale,
  selectStep,
  type Tensor,
} from '../../src/graph/index.js';
import { fill } from './values.js';

/** One random decision: which operation, on which earlier tensors. */
export interface Choice {
  kind: number;
  a: number;
  b: number;
}

const choice = fc.record({ kind: fc.nat(9), a: fc.nat(1000), b: fc.nat(1000) });
const ROWS = 3;
const COLUMNS = 8;

/** A graph of these operations, some of whose tensors are outputs and new values of the states s, t, u. */
export function randomGraph(choices: readonly Choice[], outputs: readonly number[], updates: readonly number[]): Graph {
  const graph = new Graph();
  const rng = graph.input('rng', [4], 'u32');
  const pool: Tensor[] = [graph.input('x', [ROWS, COLUMNS]), graph.input('y', [ROWS, COLUMNS])];
  for (const name of ['s', 't', 'u']) pool.push(graph.state(name, [ROWS, COLUMNS]));
  const weight = graph.state('w', [COLUMNS, COLUMNS]);
  const gamma = graph.state('gamma', [COLUMNS]);
  for (const { kind, a, b } of choices) {
    const left = pool[a % pool.length];
    const right = pool[b % pool.length];
    pool.push(applyChoice(kind, left, right, { weight, gamma, rng }));
  }
  for (const [i, pick] of outputs.entries()) graph.output(`o${i}`, pool[pick % pool.length]);
  for (const [i, pick] of updates.entries()) graph.update(['s', 't', 'u'][i], pool[pick % pool.length]);
  return graph;
}

function applyChoice(kind: number, a: Tensor, b: Tensor, { weight, gamma, rng }: Record<string, Tensor>): Tensor {
  switch (kind) {
    case 0:
      return add(a, b);
    case 1:
      return a.mul(b);
    case 2:
      return relu(a);
    case 3:
      return gelu(a);
    case 4:
      return scale(a, 0.5);
    case 5:
      return linear(a, weight, gamma);
    case 6:
      return layerNorm(a, gamma, gamma);
    case 7:
      return reshape(relu(reshape(a, [COLUMNS, ROWS])), [ROWS, COLUMNS]);
    case 8:
      return dropout(a, rng, { p: 0.5 });
    default:
      return add(reshape(a, [ROWS, COLUMNS]), selectStep(reshape(b, [1, ROWS, COLUMNS]), -1).reshape([COLUMNS]));
  }
}

export const INPUTS = { rng: [1, 2, 3, 0], x: fill('normal', 24, 1), y: fill('normal', 24, 2) };
/** Fresh contents of the states. */
export const state = () => ({
  s: fill('normal', 24, 3),
  t: fill('normal', 24, 4),
  u: fill('normal', 24, 5),
  w: fill('normal', 64, 6),
  gamma: fill('normal', 8, 7),
});

/** Choices, picks of outputs and picks of updates. */
export const randomGraphs = fc
  .tuple(
    fc.array(choice, { maxLength: 25 }),
    fc.array(fc.nat(1000), { maxLength: 3 }),
    fc.array(fc.nat(1000), { maxLength: 3 }),
  )
  .map(([choices, outputs, updates]) => randomGraph(choices, outputs, updates));
