import { FlashbookError } from '../core/errors.js';
import {
  autocast,
  compilePlan,
  constants,
  elements,
  fuseLinear,
  Graph,
  type Precision,
  stateSpecs,
} from '../graph/index.js';
import { cpu, type Device } from '../native/index.js';
import type { PlanSpec } from '../native/plan-spec.js';
import type { AuxiliaryLoss } from '../nn/index.js';
import type { Classifier } from './ensemble.js';
import type { ForecastModel } from './forecast-model.js';
import type { PricePredictor } from './price-predictor.js';

/** How the experts of one mixture share the rows of some windows. */
export interface ExpertUsage {
  /** Path of the mixture: 'encoder.0.feedForward'. */
  layer: string;
  /** Share of each expert in all choices; they add up to 1. */
  shares: number[];
  /** Share of all choices that each expert would leave out in training, where it takes a limited number of rows. */
  dropped: number[];
  /** Mean entropy of the router's probabilities in nats: ln E where all experts are equal to it, 0 where it is sure. */
  entropy: number;
}

/** The graph that tells how a model's mixtures route a batch of windows, and nothing else. */
export interface RoutingGraph {
  /** Input x (B, T, F); outputs `<layer>.usage` (E) and `<layer>.probs` (…, E) of each mixture, in turn. */
  graph: Graph;
  mixtures: readonly Mixture[];
  compile(): PlanSpec;
}

interface Mixture {
  layer: string;
  experts: number;
  /** Tokens of a batch. */
  rows: number;
  topK: number;
  capacity: number;
}

/** @returns undefined for a model without mixtures of experts */
export function routingGraph(
  model: Pick<Classifier, 'forward'>,
  { batch, steps, columns }: { batch: number; steps: number; columns: number },
  { precision = 'f32' }: { precision?: Precision } = {},
): RoutingGraph | undefined {
  const traced = new Graph();
  const losses: AuxiliaryLoss[] = [];
  model.forward(traced.input('x', [batch, steps, columns]), { losses, returns: [] });
  const mixtures = losses.flatMap(({ name, routing }): Mixture[] => {
    if (routing === undefined) return [];
    const { usage, probs, topK, capacity } = routing;
    const layer = name.replace(/\.balance$/, '');
    traced.output(`${layer}.usage`, usage);
    traced.output(`${layer}.probs`, probs);
    const experts = usage.shape[0];
    return [{ layer, experts, rows: elements(probs.shape) / experts, topK, capacity }];
  });
  if (mixtures.length === 0) return undefined;
  const graph = precision === 'bf16' ? autocast(traced) : traced;
  return { graph, mixtures, compile: () => compilePlan(graph, { passes: [fuseLinear] }) };
}

/** Adds up what a routing graph tells of several batches. */
export class UsageSum {
  /** Buffers for the outputs of the graph. */
  readonly outputs: Float32Array[];
  readonly #mixtures: readonly Mixture[];
  readonly #sums: { chosen: number[]; dropped: number[]; entropy: number }[];
  #batches = 0;

  constructor({ mixtures }: Pick<RoutingGraph, 'mixtures'>) {
    this.#mixtures = mixtures;
    this.outputs = mixtures.flatMap(({ experts, rows }) => [
      new Float32Array(experts),
      new Float32Array(rows * experts),
    ]);
    const zeros = (count: number) => new Array<number>(count).fill(0);
    this.#sums = mixtures.map(({ experts }) => ({ chosen: zeros(experts), dropped: zeros(experts), entropy: 0 }));
  }

  /** Adds the batch whose results lie in `outputs`. */
  add(): void {
    this.#batches++;
    for (const [m, { rows, topK, capacity }] of this.#mixtures.entries()) {
      const [usage, probs] = this.outputs.slice(2 * m, 2 * m + 2);
      const sum = this.#sums[m];
      for (const [e, share] of usage.entries()) {
        const chosen = Math.round(share * rows * topK);
        sum.chosen[e] += chosen;
        sum.dropped[e] += Math.max(0, chosen - capacity);
      }
      for (const p of probs) if (p > 0) sum.entropy -= p * Math.log(p);
    }
  }

  usage(): ExpertUsage[] {
    return this.#mixtures.map(({ layer, rows, topK }, m) => {
      const { chosen, dropped, entropy } = this.#sums[m];
      const choices = this.#batches * rows * topK;
      return {
        layer,
        shares: chosen.map((count) => count / choices),
        dropped: dropped.map((count) => count / choices),
        entropy: entropy / (this.#batches * rows),
      };
    });
  }
}

/**
 * How the experts of each mixture of a model share the rows of some windows, which count as one batch. `train` measures it at every
 * evaluation.
 *
 * @param parameters weights of the model by name
 * @param windows (n, steps, features), scaled as for training
 * @throws FlashbookError OPTION for a model without experts.
 */
export function expertUsage(
  model: ForecastModel | PricePredictor,
  parameters: ReadonlyMap<string, Float32Array>,
  windows: Float32Array,
  { device = cpu() }: { device?: Device } = {},
): ExpertUsage[] {
  const { steps, features: columns } = model.options;
  const routing = routingGraph(model, { batch: windows.length / (steps * columns), steps, columns });
  if (routing === undefined) throw new FlashbookError('OPTION', 'expertUsage: the model has no mixture of experts');
  const { graph } = routing;
  const state = device.createState(stateSpecs(graph));
  const contents = new Map([...constants(graph), ...parameters]);
  for (const { name } of state.specs) state.set(name, contents.get(name)!);
  const plan = device.createPlan(routing.compile(), state);
  const sum = new UsageSum(routing);
  plan.runSync([windows], sum.outputs);
  sum.add();
  plan.dispose();
  state.dispose();
  return sum.usage();
}
