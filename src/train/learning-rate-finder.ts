import { FlashbookError } from '../core/errors.js';
import { checkOptions, finite, integer } from '../core/options.js';
import type { Schedule } from '../optim/index.js';
import type { TrainableModel } from './model.js';
import type { TrainOptions } from './options.js';
import { train } from './trainer.js';

export interface FindLearningRateOptions
  extends Pick<
    TrainOptions,
    | 'train'
    | 'seed'
    | 'batch'
    | 'optimizer'
    | 'weightDecay'
    | 'clipNorm'
    | 'labelSmoothing'
    | 'horizonWeights'
    | 'signal'
    | 'onProgress'
    | 'device'
  > {
  /** The first rate. */
  from?: number;
  /** The last rate. */
  to?: number;
  /** Steps of the sweep. */
  steps?: number;
  /** How much of the running mean of the losses stays at a step. */
  smoothing?: number;
  /** The sweep ends where the running mean exceeds its lowest value by this factor. */
  diverged?: number;
}

export interface LearningRateSweep {
  /** One rate a step. */
  rates: number[];
  /** Loss of each step. */
  losses: number[];
  /** Bias-corrected running means of the losses. */
  smoothed: number[];
  /** The rate at which the mean falls fastest; a good highest rate of a schedule with warm-up. */
  suggestion: number;
  /** A tenth of the rate with the lowest mean. */
  careful: number;
}

const OPTIONS = [
  ...[
    'train',
    'seed',
    'batch',
    'optimizer',
    'weightDecay',
    'clipNorm',
    'labelSmoothing',
    'horizonWeights',
    'signal',
    'onProgress',
    'device',
  ],
  ...['from', 'to', 'steps', 'smoothing', 'diverged'],
];

/**
 * The learning-rate range test: trains from fresh weights while the rate rises exponentially from `from` to `to`, and looks
 * where the loss falls fastest. The weights are thrown away.
 *
 *     η(t) = from · (to/from)^((t − 1)/(N − 1))
 *
 * Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", §3.3; running mean, end and suggestions as in
 * fastai's lr_find.
 *
 * @throws FlashbookError as `train`; NUMERIC where the loss is not finite within ten steps
 */
export async function findLearningRate(
  model: TrainableModel,
  options: FindLearningRateOptions,
): Promise<LearningRateSweep> {
  checkOptions('findLearningRate', options, OPTIONS);
  const { from: first = 1e-7, to: last = 1, steps: count = 100, smoothing = 0.9, diverged = 4, ...given } = options;
  finite('from', first, Number.MIN_VALUE);
  finite('to', last, first);
  const steps = integer('steps', count, 10);
  finite('smoothing', smoothing, 0, 0.999);
  finite('diverged', diverged, 1);
  const at = (step: number) => first * (last / first) ** ((step - 1) / (steps - 1));
  const schedule: Schedule = { config: { schedule: 'sweep', from: first, to: last, steps }, at };
  const sweep = { rates: [] as number[], losses: [] as number[], smoothed: [] as number[] };
  let mean = 0;
  const onStep = ({ step, loss }: { step: number; loss: number }) => {
    mean = smoothing * mean + (1 - smoothing) * loss;
    sweep.rates.push(at(step));
    sweep.losses.push(loss);
    sweep.smoothed.push(mean / (1 - smoothing ** step));
    return sweep.smoothed[step - 1] > diverged * Math.min(...sweep.smoothed) ? 'stop' : undefined;
  };
  try {
    // The evaluation at the end is of no interest: one batch of it.
    const validation = { validation: given.train, maxValidationWindows: 1, evaluateEvery: steps };
    await train(model, { ...given, ...validation, schedule, steps, callbacks: [{ onStep }] });
  } catch (error) {
    // A loss that overflows ends the sweep as well as one that is too large.
    if (!(error instanceof FlashbookError && error.code === 'NUMERIC' && sweep.rates.length >= 10)) throw error;
  }
  return { ...sweep, ...suggestions(sweep) };
}

function suggestions({ rates, smoothed }: Pick<LearningRateSweep, 'rates' | 'smoothed'>): {
  suggestion: number;
  careful: number;
} {
  const lowest = smoothed.indexOf(Math.min(...smoothed));
  // Over a twentieth of the sweep, equal steps of log η; the first tenth are means of few losses.
  const span = Math.max(1, Math.floor(rates.length / 20));
  let steepest = lowest;
  for (let i = Math.min(lowest, 2 * span), fall = Number.POSITIVE_INFINITY; i <= lowest; i++) {
    const slope = smoothed[i] - smoothed[Math.max(0, i - span)];
    if (slope < fall) [fall, steepest] = [slope, i];
  }
  return { suggestion: rates[steepest], careful: rates[lowest] / 10 };
}
