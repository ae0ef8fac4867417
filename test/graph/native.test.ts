import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Graph, type Interpretation, interpret, OPERATIONS } from '../../src/graph/index.js';
import { nativeAvailable, nativeProblem, runtimeInfo } from '../../src/native/index.js';
import { CASES, caseGraph, type OperationCase, TESTED_ELSEWHERE } from './cases.js';
import { INPUTS, randomGraphs, state } from './random-graph.js';
import { difference, runNative } from './run-native.js';

const info = nativeAvailable() ? runtimeInfo() : undefined;
const kernels = new Set(info?.steps);

function missingKernel(graph: Graph): string | undefined {
  const names = graph.nodes.map((node) => node.operation.name);
  return names.find((name) => !kernels.has(name) && !['input', 'state', 'reshape'].includes(name));
}

/** Float64 results by row: the same for every instruction set. */
const references = new Map<OperationCase, Interpretation['outputs']>();
function reference(row: OperationCase, compute: () => Interpretation['outputs']): Interpretation['outputs'] {
  const known = references.get(row) ?? compute();
  references.set(row, known);
  return known;
}

test.skipIf(info === undefined)('every operation has a kernel, except reshape, which costs none', () => {
  expect([...OPERATIONS.keys()].filter((name) => !kernels.has(name))).toEqual(['reshape']);
});

test.skipIf(info === undefined)('random graphs: the planned memory changes no bit on the native engine', () => {
  fc.assert(
    fc.property(randomGraphs, (graph) => {
      const given = { inputs: INPUTS, state: state() };
      expect(runNative(graph, given)).toEqual(runNative(graph, given, { reuse: false }));
    }),
    { numRuns: 60, seed: 3 },
  );
});

test('every operation has rows in the case table', () => {
  const covered = new Set([...CASES.map((row) => row.operation), ...TESTED_ELSEWHERE]);
  expect([...OPERATIONS.keys()].filter((name) => !covered.has(name))).toEqual([]);
});

describe.skipIf(info === undefined)(
  `native kernels against float64 (${nativeProblem() ?? 'native core there'})`,
  () => {
    describe.each(info?.available ?? [])('%s', (isa) => {
      test.for(CASES.map((row) => [`${row.operation}: ${row.name}`, row] as const))('%s', ([, row], { skip }) => {
        const { graph, inputs } = caseGraph(row);
        const missing = missingKernel(graph);
        skip(missing !== undefined, `no native kernel ${missing}`);
        const expected = reference(row, () => interpret(graph, { inputs }).outputs);
        const { outputs } = runNative(graph, { inputs }, { isa, passes: [] });
        const sizes = row.relativeTo === undefined ? undefined : inputs[`x${row.relativeTo}`];
        for (const name of graph.outputs.keys()) {
          expect(
            difference(outputs[name], expected[name], row, sizes),
            `${row.operation} ${row.name} ${name}`,
          ).toBeUndefined();
        }
      });
    });
  },
);
