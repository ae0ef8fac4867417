import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, finite, oneOf } from '../core/options.js';
import {
  compilePlan,
  constants,
  elements,
  type Graph,
  type LevelScale,
  levelOf,
  stateSpecs,
  type Tensor,
  withoutDeadCode,
} from '../graph/index.js';
import { cpu, type TypedArray } from '../native/index.js';
import { weightName } from './weights.js';

/** What of the observed range the levels cover. */
export type CalibrationMethod = 'minmax' | 'percentile' | 'mse';

export interface CalibrateOptions {
  /**
   * 'minmax': all of it. 'percentile': all but the share beyond `percentile` at each end. 'mse' (default): as much as makes the mean
   * squared error of the levels least, clipping against rounding.
   */
  method?: CalibrationMethod;
  /** Percent of the values that lie inside, above and below. Default 99.99. */
  percentile?: number;
}

/** The scales of the activations that quantised layers read, by the name of the layer's weight. */
export type ActivationScales = ReadonlyMap<string, LevelScale>;

/** Bins of the histogram of a layer's activations, over their range. */
const BINS = 4096;
/** Shares of an end of the range that are tried for the least error. */
const SHARES = Array.from({ length: 81 }, (_, i) => 1 - i / 100);
/** A zero point in the middle makes sums start from nothing; it may cost this much resolution. */
const MIDDLE = 1.1;

/**
 * Finds static scales: runs the float32 graph natively over windows and looks at what each layer with a weight that int8 could multiply
 * reads. Windows of the training part alone: the scales are part of the model. One result for any order of the windows.
 *
 * @param graph one float32 input of (B, …), any B; not yet quantised.
 * @param state contents of the graph's state buffers by name.
 * @param windows values of the input, a multiple of B windows; some hundred are enough.
 * @throws FlashbookError SHAPE for windows that do not fit, NUMERIC for NaN or infinity among them or on their way.
 */
export function calibrate(
  graph: Graph,
  state: ReadonlyMap<string, TypedArray>,
  windows: Float32Array,
  options: CalibrateOptions = {},
): ActivationScales {
  checkOptions('calibrate', options, ['method', 'percentile']);
  const { method = 'mse', percentile = 99.99 } = options;
  oneOf('method', method, ['minmax', 'percentile', 'mse']);
  finite('percentile', percentile, 50, 100);
  const observed = observe(graph, state);
  const activations = new Map<string, Activations>();
  using run = new ObservedRun(observed.graph, state, windows);
  run.over((values) => {
    for (const { name, output } of observed.layers) {
      const known = activations.get(name) ?? new Activations(name);
      known.widen(values(output));
      activations.set(name, known);
    }
  });
  if (method !== 'minmax') {
    run.over((values) => {
      for (const { name, output } of observed.layers) activations.get(name)!.count(values(output));
    });
  }
  const scales = new Map<string, LevelScale>();
  for (const [name, seen] of activations) {
    const [low, high] =
      method === 'mse' ? seen.leastError() : method === 'percentile' ? seen.percentile(percentile) : seen.range();
    scales.set(name, scaleOfRange(low, high));
  }
  return scales;
}

/**
 * The scale whose levels cover low … high, and 0 with a level of its own. A range that is about as wide on both sides gets its zero in the
 * middle, at 128.
 */
export function scaleOfRange(low: number, high: number): LevelScale {
  const [bottom, top] = [Math.min(low, 0), Math.max(high, 0)];
  if (bottom === top) return { scale: 1, zero: 0 };
  const largest = Math.max(-bottom, top);
  const step = (top - bottom) / 255;
  const limited = (scale: number) => Math.fround(Math.min(2 ** 100, Math.max(2 ** -100, scale)));
  if (largest / 127 <= MIDDLE * step) return { scale: limited(largest / 127), zero: 128 };
  return { scale: limited(step), zero: Math.round(Math.abs(bottom) / step) };
}

/** A copy of the graph that also gives what its layers read, and which output is whose. */
function observe(source: Graph, state: ReadonlyMap<string, TypedArray>) {
  const graph = withoutDeadCode(source);
  const layers: { name: string; output: string }[] = [];
  const outputs = new Map<Tensor, string>();
  for (const node of [...graph.nodes]) {
    const name = weightName(node);
    if (name === undefined || !(state.get(name) instanceof Float32Array)) continue;
    const x = node.inputs[0]!;
    let output = outputs.get(x);
    if (output === undefined) {
      output = `read.${outputs.size}`;
      outputs.set(x, output);
      graph.output(output, x);
    }
    layers.push({ name, output });
  }
  return { graph, layers };
}

/** The native run of a graph over windows, as many at a time as it takes. */
class ObservedRun {
  readonly #state;
  readonly #plan;
  readonly #outputs: Map<string, Float32Array>;
  readonly #windows: Float32Array;
  readonly #length: number;

  constructor(graph: Graph, state: ReadonlyMap<string, TypedArray>, windows: Float32Array) {
    const [[name, input], ...others] = graph.inputs;
    if (others.length > 0) throw invalid('graph', 'one with one input', [...graph.inputs.keys()].join(', '));
    this.#length = elements(input.shape);
    this.#windows = windows;
    if (!(windows instanceof Float32Array) || windows.length === 0 || windows.length % this.#length !== 0) {
      const expected = `a Float32Array of one or more times the ${this.#length} values of ${name}`;
      throw invalid('calibration windows', expected, windows, 'SHAPE');
    }
    this.#outputs = new Map([...graph.outputs].map(([key, { shape }]) => [key, new Float32Array(elements(shape))]));
    this.#state = cpu().createState(stateSpecs(graph));
    for (const [key, values] of [...constants(graph), ...state])
      if (graph.states.has(key)) this.#state.set(key, values);
    this.#plan = cpu().createPlan(compilePlan(graph), this.#state, { frozen: true });
  }

  over(look: (values: (output: string) => Float32Array) => void): void {
    for (let at = 0; at < this.#windows.length; at += this.#length) {
      this.#plan.runSync([this.#windows.subarray(at, at + this.#length)], [...this.#outputs.values()]);
      look((output) => this.#outputs.get(output)!);
    }
  }

  [Symbol.dispose](): void {
    this.#plan.dispose();
    this.#state.dispose();
  }
}

/** What a layer reads over all windows: its range, and how often what of it. */
class Activations {
  #low = 0;
  #high = 0;
  readonly #counts = new Float64Array(BINS);

  constructor(readonly name: string) {}

  widen(values: Float32Array): void {
    for (const value of values) {
      if (!Number.isFinite(value)) {
        const { name } = this;
        throw new FlashbookError('NUMERIC', `calibration: the layer '${name}' reads ${value}`, { name });
      }
      if (value < this.#low) this.#low = value;
      else if (value > this.#high) this.#high = value;
    }
  }

  count(values: Float32Array): void {
    const width = this.#width();
    for (const value of values) this.#counts[Math.min(BINS - 1, Math.floor((value - this.#low) / width))]++;
  }

  range(): [number, number] {
    return [this.#low, this.#high];
  }

  percentile(percent: number): [number, number] {
    const outside = (1 - percent / 100) * this.#counts.reduce((a, b) => a + b);
    const end = (order: (i: number) => number) => {
      let sum = 0;
      for (let i = 0; i < BINS; i++) {
        sum += this.#counts[order(i)];
        if (sum > outside) return order(i);
      }
      return order(BINS - 1);
    };
    const [first, last] = [end((i) => i), end((i) => BINS - 1 - i)];
    return [this.#low + first * this.#width(), this.#low + (last + 1) * this.#width()];
  }

  /** The ends of the range whose levels err least, the upper one found first. */
  leastError(): [number, number] {
    const best = (ranges: [number, number][]) => {
      let [least, found] = [Number.POSITIVE_INFINITY, ranges[0]];
      for (const range of ranges) {
        const error = this.#error(scaleOfRange(...range));
        if (error < least) [least, found] = [error, range];
      }
      return found;
    };
    const [, high] = best(SHARES.map((share) => [this.#low, share * this.#high]));
    return best(SHARES.map((share) => [share * this.#low, high]));
  }

  /** Σ (x − what its level stands for)², each bin taken at its middle. */
  #error(levels: LevelScale): number {
    const width = this.#width();
    let error = 0;
    for (let i = 0; i < BINS; i++) {
      if (this.#counts[i] === 0) continue;
      const x = this.#low + (i + 0.5) * width;
      error += this.#counts[i] * (x - (levelOf(x, levels) - levels.zero) * levels.scale) ** 2;
    }
    return error;
  }

  #width(): number {
    return (this.#high - this.#low) / BINS || 1;
  }
}
