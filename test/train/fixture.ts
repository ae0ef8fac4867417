import { Random } from '../../src/core/random.js';
import { PricePredictor, type PricePredictorOptions } from '../../src/models/index.js';
import type { TrainOptions, Windows } from '../../src/train/index.js';

export const STEPS = 5;
export const COLUMNS = 3;
export const HORIZONS = 2;

/** A price predictor of about a thousand parameters. */
export function smallModel(options: PricePredictorOptions = {}): PricePredictor {
  return new PricePredictor({
    features: COLUMNS,
    steps: STEPS,
    dModel: 8,
    heads: 2,
    layers: 2,
    feedForward: 12,
    horizons: HORIZONS,
    ...options,
  });
}

/** Windows in memory. `before` is called with the indices of every batch that is asked for. */
export class MemoryWindows implements Windows {
  readonly steps = STEPS;
  readonly columns = COLUMNS;
  readonly horizons = HORIZONS;
  before: (indices: Int32Array) => void = () => {};

  constructor(
    readonly x: Float32Array,
    readonly targets: Int32Array[],
  ) {}

  get length(): number {
    return this.targets[0].length;
  }

  batch(indices: Int32Array, outX: Float32Array, outY: Int32Array[]): void {
    this.before(indices);
    const size = STEPS * COLUMNS;
    indices.forEach((index, i) => {
      outX.set(this.x.subarray(index * size, (index + 1) * size), i * size);
      for (const [h, target] of this.targets.entries()) outY[h][i] = target[index];
    });
  }

  order(seed: number, epoch: number): Int32Array {
    return new Random(seed, epoch + 1).shuffle(Int32Array.from(this.targets[0], (_, i) => i));
  }

  labels(horizon: number): Int32Array {
    return this.targets[horizon];
  }

  sources() {
    return [this.x, ...this.targets];
  }
}

/**
 * Windows whose class can be learnt: by the first feature of the last row (horizon 0) and by the sum of the last two rows
 * (horizon 1), with some labels missing.
 */
export function learnableWindows(count: number, seed: number): MemoryWindows {
  const random = new Random(seed);
  const size = STEPS * COLUMNS;
  const x = Float32Array.from({ length: count * size }, () => random.normal());
  const targets = [new Int32Array(count), new Int32Array(count)];
  for (let i = 0; i < count; i++) {
    const last = x[i * size + (STEPS - 1) * COLUMNS];
    const before = x[i * size + (STEPS - 2) * COLUMNS];
    targets[0][i] = classOf(last);
    targets[1][i] = random.float() < 0.1 ? -1 : classOf((last + before) / Math.SQRT2);
  }
  return new MemoryWindows(x, targets);
}

function classOf(value: number): number {
  return value < -0.43 ? 0 : value > 0.43 ? 2 : 1;
}

/** Options of a short run; two epochs and a half of 6 batches. */
export function shortRun(overrides: Partial<TrainOptions> = {}): TrainOptions {
  return {
    train: learnableWindows(50, 1),
    validation: learnableWindows(21, 2),
    seed: 5,
    batch: 8,
    steps: 15,
    learningRate: 0.01,
    evaluateEvery: 4,
    ...overrides,
  };
}

/** Of a snapshot ensemble in the steps of the short run: members after 5, 10 and 15. */
export const SNAPSHOTS = { steps: 15, learningRate: 0.02, cycles: 3 };

/** The bytes of all parameters, for comparison to the bit. */
export function bitsOf(parameters: ReadonlyMap<string, Float32Array>): string {
  return [...parameters]
    .map(
      ([name, { buffer, byteOffset, byteLength }]) =>
        `${name} ${Buffer.from(buffer, byteOffset, byteLength).toString('hex')}`,
    )
    .join('\n');
}
