/** Runs rows of the case table on CUDA and compares them with the float64 interpreter. */
import { interpret } from '../../src/graph/index.js';
import { cuda, cudaSteps } from '../../src/native/index.js';
import { CASES, caseGraph } from '../graph/cases.js';
import { difference, runNative } from '../graph/run-native.js';
import { answer, argument } from './child.js';

export interface CasesAnswer {
  /** Rows that ran, by operation. */
  ran: Record<string, number>;
  /** Kernels that CUDA lacks, with the number of rows that need them. */
  missing: Record<string, number>;
  /** One sentence a difference. */
  differences: string[];
}

const { operations } = argument<{ operations?: string[] }>();
const steps = new Set([...cudaSteps(), 'input', 'state', 'reshape']);
const result: CasesAnswer = { ran: {}, missing: {}, differences: [] };

for (const row of CASES) {
  if (row.cpuOnly) continue;
  if (operations !== undefined && !operations.includes(row.operation)) continue;
  const { graph, inputs } = caseGraph(row);
  const missing = graph.nodes.map((node) => node.operation.name).find((name) => !steps.has(name));
  if (missing !== undefined) {
    result.missing[missing] = (result.missing[missing] ?? 0) + 1;
    continue;
  }
  const expected = interpret(graph, { inputs }).outputs;
  const { outputs } = runNative(graph, { inputs }, { device: cuda(), passes: [] });
  const sizes = row.relativeTo === undefined ? undefined : inputs[`x${row.relativeTo}`];
  for (const name of graph.outputs.keys()) {
    const found = difference(outputs[name], expected[name], row, sizes);
    if (found !== undefined) result.differences.push(`${row.operation}: ${row.name}: ${name}${found}`);
  }
  result.ran[row.operation] = (result.ran[row.operation] ?? 0) + 1;
}
answer(result);
