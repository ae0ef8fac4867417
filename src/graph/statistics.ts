import { type Graph, INPUT, STATE } from './ir.js';
import { elements } from './operation.js';
import { liveNodes } from './rewrite.js';

export interface OperationStatistics {
  operation: string;
  count: number;
  /** Useful floating-point operations of one run. */
  flops: number;
  /** Share of the graph's flops, 0 … 1. */
  share: number;
}

export interface GraphStatistics {
  /** Numbers in trainable states that the results depend on. */
  parameters: number;
  flops: number;
  /** By falling flops, then by name. */
  operations: OperationStatistics[];
}

/** Counts what the results of a graph cost: for reports and rooflines. */
export function graphStatistics(graph: Graph): GraphStatistics {
  const byName = new Map<string, { count: number; flops: number }>();
  let parameters = 0;
  let flops = 0;
  for (const node of liveNodes(graph)) {
    const { operation, inputs, outputs, attrs } = node;
    if (operation === STATE && graph.states.get(String(attrs.name))?.trainable)
      parameters += elements(outputs[0].shape);
    if (operation === STATE || operation === INPUT) continue;
    const cost = operation.flops?.(inputs as (typeof outputs)[number][], outputs, attrs) ?? elements(outputs[0].shape);
    const entry = byName.get(operation.name) ?? { count: 0, flops: 0 };
    byName.set(operation.name, { count: entry.count + 1, flops: entry.flops + cost });
    flops += cost;
  }
  const operations = [...byName].map(([operation, entry]) => ({
    operation,
    ...entry,
    share: flops === 0 ? 0 : entry.flops / flops,
  }));
  operations.sort((a, b) => b.flops - a.flops || (a.operation < b.operation ? -1 : 1));
  return { parameters, flops, operations };
}
