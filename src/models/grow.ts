import { FlashbookError } from '../core/errors.js';
import { checkOptions, finite, integer } from '../core/options.js';
import { Random } from '../core/random.js';
import { initialise, sinusoidalPositions } from '../nn/index.js';
import type { PricePredictor } from './price-predictor.js';

type Weights = ReadonlyMap<string, Float32Array>;

export interface GrowOptions {
  /** Draws what is new: the units that are copied, and the insides of new layers. */
  seed?: number;
  /**
   * Standard deviation of noise on copied weights, as a share of their own; it tells copies apart, and the function is then only
   * about the same. Dropout tells them apart too. Default 0.
   */
  noise?: number;
}

/**
 * Weights for a larger price predictor that computes what the smaller one does, so that training goes on where it was:
 *
 *   width      a multiple of the width, with as many times the heads: every unit of the residual stream is copied, and what reads
 *              the copies has its weights divided by their number. Norms see the same mean and variance.
 *   hidden     feed-forward units are copied, drawn at random, and their outgoing weights divided by the number of copies
 *   layers     new layers on top, whose attention projection and contraction are zero: the residual stream passes by
 *
 * Sources: Chen, Goodfellow & Shlens 2016, "Net2Net", §2 (widening by copies); zero-initialised residual branches as in Zhang
 * et al. 2019, "Fixup", and Gong et al. 2019, "Efficient Training of BERT by Progressively Stacking". A wider model cannot have the
 * sinusoidal positions of a narrower one: it takes them as learned ones (`positions: 'learned'`), or rotary, or none.
 * More steps are no such growth: the function of a longer window is another; learned positions keep their place before the end.
 *
 * @throws FlashbookError OPTION naming what cannot grow into what
 */
export function growPricePredictor(
  weights: Weights,
  from: PricePredictor,
  to: PricePredictor,
  options: GrowOptions = {},
): Map<string, Float32Array> {
  checkOptions('growPricePredictor', options, ['seed', 'noise']);
  const seed = integer('seed', options.seed ?? 0, 0);
  const noise = finite('noise', options.noise ?? 0, 0);
  checkGrowth(from, to);
  const growth = new Growth(weights, from, to, new Random(seed, 0x6772_6f77));
  const grown = growth.all(initialise(to, seed));
  if (noise > 0) growth.disturb(grown, noise);
  return grown;
}

function checkGrowth({ options: a }: PricePredictor, { options: b }: PricePredictor): void {
  const refuse = (name: string, expected: string, received: unknown): never => {
    throw new FlashbookError('OPTION', `growth: expected ${expected} for ${name} but received ${received}`, { name });
  };
  for (const name of ['features', 'horizons', 'classes'] as const) {
    if (a[name] !== b[name]) refuse(name, `the same, ${a[name]},`, b[name]);
  }
  for (const name of ['layers', 'feedForward', 'steps'] as const) {
    if (b[name] < a[name]) refuse(name, `at least ${a[name]}`, b[name]);
  }
  const factor = b.dModel / a.dModel;
  if (!Number.isInteger(factor)) refuse('dModel', `a multiple of ${a.dModel}`, b.dModel);
  if (b.heads !== factor * a.heads) refuse('heads', `${factor * a.heads}, in proportion to the width,`, b.heads);
  const fixed = a.positions === 'sinusoidal' && factor > 1;
  const wanted = fixed ? 'learned' : a.positions;
  const alsoLearned = a.positions === 'sinusoidal' && b.positions === 'learned';
  if (b.positions !== wanted && !alsoLearned) refuse('positions', `'${wanted}'`, `'${b.positions}'`);
}

class Growth {
  readonly #factor: number;
  /** Hidden unit j of the larger feed-forward copies unit #unit[j] of the smaller one. */
  readonly #unit: Int32Array;
  /** Copies of each unit of the smaller one. */
  readonly #copies: Int32Array;

  constructor(
    readonly weights: Weights,
    readonly from: PricePredictor,
    readonly to: PricePredictor,
    readonly random: Random,
  ) {
    const { dModel, feedForward } = from.options;
    this.#factor = to.options.dModel / dModel;
    const hidden = to.options.feedForward;
    this.#unit = Int32Array.from({ length: hidden }, (_, j) => (j < feedForward ? j : random.below(feedForward)));
    this.#copies = new Int32Array(feedForward);
    for (const unit of this.#unit) this.#copies[unit]++;
  }

  /** Every parameter of the larger model; `fresh` are its starting values, for what is new. */
  all(fresh: Map<string, Float32Array>): Map<string, Float32Array> {
    const { layers } = this.from.options;
    return new Map(
      [...fresh].map(([name, start]) => {
        const layer = /^encoder\.(\d+)\.(.*)$/.exec(name);
        if (layer !== null && Number(layer[1]) >= layers) return [name, isClosing(layer[2]) ? start.fill(0) : start];
        return [name, this.#grown(name, start.length)];
      }),
    );
  }

  disturb(grown: Map<string, Float32Array>, share: number): void {
    for (const values of grown.values()) {
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
      for (let i = 0; i < values.length; i++) values[i] += share * deviation * this.random.normal();
    }
  }

  #grown(name: string, length: number): Float32Array {
    if (name.startsWith('positions.')) return this.#positions(length);
    const old = this.weights.get(name);
    const shape = this.from.parameters().find((parameter) => parameter.name === name)!.shape;
    if (!(old instanceof Float32Array) || old.length !== shape.reduce((a, b) => a * b, 1)) {
      throw new FlashbookError('SHAPE', `growth: expected ${shape.join(' × ')} values for '${name}'`, { name });
    }
    const part = name.replace(/^(encoder|heads)\.\d+\./, '');
    const rows = shape[0];
    const columns = shape.length > 1 ? shape[1] : 1;
    const tile = this.#factor;
    const same = identity(rows);
    const kind = part.replace(/\.(weight|bias)$/, '');
    const rowOf =
      kind === 'feedForward.expand'
        ? this.#unit
        : kind === 'attention.qkv'
          ? tiled(rows / 3, tile, 3)
          : kind === 'logits'
            ? same
            : tiled(rows, tile, 1);
    if (shape.length === 1) return Float32Array.from(rowOf, (row) => old[row]);
    // What reads features reads them once; all else reads copies, of which each counts as its part.
    const reads = (columnOf: Int32Array, copies: (column: number) => number) =>
      gather(old, columns, rowOf, columnOf, (column) => 1 / copies(column));
    if (kind === 'embedding') return reads(identity(columns), () => 1);
    if (kind === 'feedForward.contract') return reads(this.#unit, (column) => this.#copies[column]);
    return reads(tiled(columns, tile, 1), () => tile);
  }

  /** Learned positions, from learned or sinusoidal ones, at the end of a longer window. */
  #positions(length: number): Float32Array {
    const { steps, dModel } = this.from.options;
    const name = [...this.weights.keys()].find((key) => key.startsWith('positions.'));
    const old = name === undefined ? sinusoidalPositions(steps, dModel) : this.weights.get(name)!;
    const width = this.to.options.dModel;
    const before = this.to.options.steps - steps;
    return Float32Array.from({ length }, (_, i) => {
      const row = Math.max(0, Math.floor(i / width) - before);
      return old[row * dModel + (i % dModel)];
    });
  }
}

/** The last linear maps of a layer's two branches: zero, they add nothing to the residual stream. */
function isClosing(part: string): boolean {
  return /^(attention\.projection|feedForward\.contract)\./.test(part);
}

function identity(n: number): Int32Array {
  return Int32Array.from({ length: n }, (_, i) => i);
}

/** Indices of copies side by side: 0 … n−1, again `factor` times, in each of `sections`. */
function tiled(n: number, factor: number, sections: number): Int32Array {
  return Int32Array.from({ length: n * factor * sections }, (_, i) => Math.floor(i / (n * factor)) * n + (i % n));
}

function gather(
  old: Float32Array,
  columns: number,
  rowOf: Int32Array,
  columnOf: Int32Array,
  factor: (column: number) => number,
): Float32Array {
  const out = new Float32Array(rowOf.length * columnOf.length);
  for (let r = 0, at = 0; r < rowOf.length; r++) {
    for (let c = 0; c < columnOf.length; c++, at++)
      out[at] = old[rowOf[r] * columns + columnOf[c]] * factor(columnOf[c]);
  }
  return out;
}
