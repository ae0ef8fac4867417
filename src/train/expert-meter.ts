import { type ExpertUsage, type RoutingGraph, UsageSum } from '../models/index.js';
import type { Plan } from '../native/index.js';
import { evenlySpaced, type Windows } from './windows.js';

/** Batches that are looked at: some thousands of rows, at a small part of an evaluation's cost. */
const BATCHES = 4;

/** Measures how a model's experts are used, with the parameters that the plan's state holds. */
export class ExpertMeter {
  readonly #plan: Plan;
  readonly #routing: RoutingGraph;
  readonly #windows: Windows;
  /** Whole batches of evenly spaced windows. */
  readonly #batches: Int32Array[];
  readonly #x: Float32Array;
  readonly #targets: Int32Array[];

  /** @param plan that of `routing` for batches of `batch` windows, of which there are as many at least */
  constructor(plan: Plan, routing: RoutingGraph, { windows, batch }: { windows: Windows; batch: number }) {
    this.#plan = plan;
    this.#routing = routing;
    this.#windows = windows;
    const count = Math.min(BATCHES, Math.floor(windows.length / batch));
    const rows = evenlySpaced(windows.length, count * batch);
    this.#batches = Array.from({ length: count }, (_, b) => rows.subarray(b * batch, (b + 1) * batch));
    this.#x = new Float32Array(batch * windows.steps * windows.columns);
    // Data sets write the targets too; nobody looks at them here.
    this.#targets = Array.from({ length: windows.horizons }, () => new Int32Array(batch));
  }

  async run(): Promise<ExpertUsage[]> {
    const sum = new UsageSum(this.#routing);
    for (const rows of this.#batches) {
      this.#windows.batch(rows, this.#x, this.#targets);
      await this.#plan.run([this.#x], sum.outputs);
      sum.add();
    }
    return sum.usage();
  }
}
