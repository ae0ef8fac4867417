import { checkOptions, finite, integer } from '../core/options.js';
import type { Random } from '../core/random.js';
import { addNormals } from './normals.js';
import { cubicSplines, multiplySplines } from './spline.js';

/** Rows and columns of a window. */
export interface WindowShape {
  readonly steps: number;
  readonly columns: number;
}

/**
 * A change of a window that leaves its label true: made anew at each step of training, drawn from the seed and the step. None of
 * them moves the last row away from the end, for the label tells what follows it.
 */
export interface Augmentation {
  /** Name and numbers; compared when a checkpoint is resumed. */
  readonly config: Readonly<Record<string, number | string>>;
  /** Share of the windows that are changed. */
  readonly probability: number;
  /** Changes a window (steps × columns, row-major) in place; `scratch` has the same length. */
  apply(window: Float32Array, scratch: Float32Array, shape: WindowShape, random: Random): void;
}

export interface JitterOptions {
  /** Standard deviation of the noise, in units of the scaled features. */
  deviation?: number;
  probability?: number;
}

/** Adds Gaussian noise to every value: x + σ n, n ~ N(0, 1). Source: Um et al. 2017, "Data Augmentation of Wearable Sensor Data", jittering. */
export function jitter(options: JitterOptions = {}): Augmentation {
  checkOptions('jitter', options, ['deviation', 'probability']);
  const { deviation, probability } = checked({ deviation: 0.03, probability: 1, ...options });
  return {
    config: { augmentation: 'jitter', deviation, probability },
    probability,
    apply(window, _, __, random) {
      addNormals(window, deviation, random);
    },
  };
}

export interface WarpOptions {
  /** Standard deviation of the curve at its knots, around 1. */
  deviation?: number;
  /** Knots between the ends of the window. */
  knots?: number;
  probability?: number;
}

/**
 * Multiplies each column by a smooth curve of its own: a natural cubic spline through knots drawn from N(1, σ²), evenly spaced over
 * the window. Source: Um et al. 2017, magnitude warping.
 */
export function warpMagnitude(options: WarpOptions = {}): Augmentation {
  checkOptions('warpMagnitude', options, ['deviation', 'knots', 'probability']);
  const { deviation, knots, probability } = checked({ deviation: 0.2, knots: 4, probability: 1, ...options });
  return {
    config: { augmentation: 'warpMagnitude', deviation, knots, probability },
    probability,
    apply(window, scratch, { columns }, random) {
      multiplySplines(window, columns, knotValues(knots, columns, deviation, random), scratch);
    },
  };
}

/**
 * Lets time run faster and slower: row t shows the window at the time that a smooth speed curve (as that of `warpMagnitude`, never
 * below a tenth) has reached, between rows linearly. First and last row stay. Source: Um et al. 2017, time warping.
 */
export function warpTime(options: WarpOptions = {}): Augmentation {
  checkOptions('warpTime', options, ['deviation', 'knots', 'probability']);
  const { deviation, knots, probability } = checked({ deviation: 0.2, knots: 4, probability: 1, ...options });
  return {
    config: { augmentation: 'warpTime', deviation, knots, probability },
    probability,
    apply(window, scratch, { steps, columns }, random) {
      const time = new Float32Array(steps);
      cubicSplines(knotValues(knots, 1, deviation, random), 1, time);
      let now = 0;
      for (let t = 0; t < steps; t++) {
        const speed = Math.max(0.1, time[t]);
        time[t] = now;
        now += speed;
      }
      const stretch = steps > 1 ? (steps - 1) / time[steps - 1] : 0;
      for (let t = 0; t < steps; t++) time[t] *= stretch;
      resample(window, scratch, columns, time);
    },
  };
}

export interface SliceOptions {
  /** Rows of the slice as a share of the window. */
  share?: number;
  probability?: number;
}

/**
 * Stretches the last `share` of the rows over the whole window, between rows linearly. Source: Le Guennec et al. 2016, "Data
 * Augmentation for Time Series Classification using CNNs", window slicing; there the slice is anywhere, here it ends where the
 * window ends, for the label belongs to the last row. The length is drawn evenly between `share` and 1.
 */
export function sliceWindow(options: SliceOptions = {}): Augmentation {
  checkOptions('sliceWindow', options, ['share', 'probability']);
  const { share = 0.9, probability = 1 } = options;
  finite('share', share, 0.01, 1);
  finite('probability', probability, 0, 1);
  return {
    config: { augmentation: 'sliceWindow', share, probability },
    probability,
    apply(window, scratch, { steps, columns }, random) {
      const kept = share + (1 - share) * random.float();
      const first = (1 - kept) * (steps - 1);
      const time = Float32Array.from(
        { length: steps },
        (_, t) => first + (kept * t * (steps - 1)) / Math.max(1, steps - 1),
      );
      resample(window, scratch, columns, time);
    },
  };
}

/** window[t] ← window at time[t], which lies in 0 … steps − 1, between rows linearly. The last row stays to the bit. */
function resample(window: Float32Array, scratch: Float32Array, columns: number, time: Float32Array): void {
  const steps = time.length;
  scratch.set(window);
  for (let t = 0; t < steps - 1; t++) {
    const at = Math.min(Math.max(time[t], 0), steps - 1);
    const row = Math.min(Math.floor(at), Math.max(0, steps - 2));
    const share = at - row;
    const from = row * columns;
    for (let c = 0; c < columns; c++) {
      const before = scratch[from + c];
      window[t * columns + c] = before + share * (scratch[from + columns + c] - before);
    }
  }
}

/** Inner knots and both ends, one curve a column. */
function knotValues(knots: number, columns: number, deviation: number, random: Random): Float32Array {
  const values = new Float32Array((knots + 2) * columns).fill(1);
  addNormals(values, deviation, random);
  return values;
}

function checked<T extends { deviation: number; probability: number; knots?: number }>(options: T): T {
  finite('deviation', options.deviation, 0);
  finite('probability', options.probability, 0, 1);
  if (options.knots !== undefined) integer('knots', options.knots, 0, 1000);
  return options;
}
