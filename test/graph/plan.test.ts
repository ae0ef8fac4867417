import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  add,
  compilePlan,
  constants,
  Graph,
  gelu,
  interpret,
  placeBlocks,
  relu,
  reshape,
  scale,
  sumSquares,
  updateAdam,
} from '../../src/graph/index.js';
import { INPUTS, randomGraph, randomGraphs, state } from './random-graph.js';
import { runPlan } from './run-plan.js';

describe('compilePlan', () => {
  test('random graphs: shared memory, in-place results and updates change no number', () => {
    fc.assert(
      fc.property(randomGraphs, (graph) => {
        const expected = interpret(graph, { inputs: INPUTS, state: state() });
        for (const options of [{}, { passes: [] }, { reuse: false }]) {
          const plan = compilePlan(graph, options);
          const buffers = state();
          const got = runPlan(plan, INPUTS, buffers);
          for (const [i, data] of got.entries()) expect(data).toEqual(expected.outputs[`o${i}`].data);
          for (const [name, { data }] of Object.entries(expected.updates)) {
            expect(buffers[name as 's'], `state ${name}`).toEqual(data);
          }
          const untouched = Object.keys(buffers).filter((name) => !(name in expected.updates)) as 's'[];
          for (const name of untouched) expect(buffers[name], `state ${name}`).toEqual(state()[name]);
        }
      }),
      { numRuns: 400, seed: 1 },
    );
  });

  test('gives the same JSON for the same graph', () => {
    const build = () =>
      compilePlan(
        randomGraph(
          [
            { kind: 5, a: 0, b: 0 },
            { kind: 3, a: 7, b: 1 },
          ],
          [1, 6],
          [6],
        ),
      );
    expect(JSON.stringify(build())).toBe(JSON.stringify(build()));
  });

  test('computes a chain of elementwise operations in the memory of its input', () => {
    const graph = new Graph();
    const x = graph.input('x', [64]);
    graph.output('y', scale(gelu(relu(x)), 3));
    const plan = compilePlan(graph);
    expect(plan.arenaBytes).toBe(256);
    expect(plan.steps.map((step) => step.kernel)).toEqual(['relu', 'gelu', 'scale']);
  });

  test('computes an update directly in its state', () => {
    const graph = new Graph();
    const total = graph.state('total', [4]);
    graph.update('total', add(total, graph.input('x', [4])));
    const plan = compilePlan(graph);
    expect(plan.steps).toHaveLength(1);
    const { inputs, outputs } = plan.steps[0];
    expect(plan.tensors[outputs[0]]).toMatchObject({ space: 'state', name: 'total', offset: 0 });
    expect(outputs[0] === inputs[0] || plan.tensors[inputs[0]].name === 'total').toBe(true);
  });

  test('swaps two states', () => {
    const graph = new Graph();
    const [a, b] = ['a', 'b'].map((name) => graph.state(name, [2]));
    graph.update('a', b);
    graph.update('b', a);
    const buffers = { a: Float64Array.of(1, 2), b: Float64Array.of(3, 4) };
    runPlan(compilePlan(graph), {}, buffers);
    expect(buffers).toEqual({ a: Float64Array.of(3, 4), b: Float64Array.of(1, 2) });
  });

  test('refuses Adam on a parameter whose old content is read later', () => {
    const graph = new Graph();
    const [param, m, v] = ['param', 'm', 'v'].map((name) => graph.state(name, [3]));
    const hyper = graph.input('hyper', [1, 8]);
    const coefficient = graph.input('coefficient', [1]);
    updateAdam([[param, graph.input('grad', [3]), m, v]], hyper, coefficient);
    expect(compilePlan(graph).steps).toHaveLength(1);
    graph.output('late', sumSquares(param));
    expect(() => compilePlan(graph)).toThrow(/'param' is written in place by update_adam, but a later operation reads/);
  });

  test('copies a state that is read under another shape', () => {
    const graph = new Graph();
    graph.output('y', relu(reshape(graph.state('s', [2, 3]), [6])));
    const plan = compilePlan(graph);
    expect(plan.tensors.filter((tensor) => tensor.space === 'state').map((tensor) => tensor.shape)).toEqual([[2, 3]]);
    const [y] = runPlan(plan, {}, { s: Float64Array.of(-1, 2, -3, 4, -5, 6) });
    expect([...y]).toEqual([0, 2, 0, 4, 0, 6]);
  });

  test('leaves out what nothing needs, but no input', () => {
    const graph = new Graph();
    const x = graph.input('x', [4]);
    graph.input('unused', [2]);
    gelu(x);
    graph.output('y', relu(x));
    const plan = compilePlan(graph);
    expect(plan.steps.map((step) => step.kernel)).toEqual(['relu']);
    expect(plan.inputs.map((index) => plan.tensors[index].name)).toEqual(['x', 'unused']);
    expect(constants(graph).size).toBe(0);
  });
});

describe('placeBlocks', () => {
  const block = fc.record({ bytes: fc.integer({ min: 1, max: 2000 }), first: fc.nat(30), length: fc.nat(10) });

  test('blocks alive at the same time never overlap, and offsets are multiples of 64', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 40 }), (list) => {
        const blocks = list.map(({ bytes, first, length }) => ({ bytes, first, last: first + length }));
        const { offsets, arenaBytes } = placeBlocks(blocks);
        for (const [i, a] of blocks.entries()) {
          expect(offsets[i] % 64).toBe(0);
          expect(offsets[i] + a.bytes).toBeLessThanOrEqual(arenaBytes);
          for (const [j, b] of blocks.entries()) {
            if (i === j || a.first > b.last || b.first > a.last) continue;
            expect(offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i]).toBe(true);
          }
        }
      }),
      { seed: 2 },
    );
  });

  test('uses the memory of blocks that are dead', () => {
    const blocks = Array.from({ length: 10 }, (_, i) => ({ bytes: 640, first: i, last: i + 1 }));
    expect(placeBlocks(blocks).arenaBytes).toBe(1280);
    expect(placeBlocks(blocks, { reuse: false }).arenaBytes).toBe(6400);
  });
});
