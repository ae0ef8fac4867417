import { FlashbookError } from '../core/errors.js';
import { checkOptions, finite, integer } from '../core/options.js';
import { stateSpecs } from '../graph/index.js';
import { type Device, type DeviceName, type Plan, resolveDevice } from '../native/index.js';
import type { HorizonEvaluation } from './history.js';
import { checkHorizonWeights, LossSum } from './losses.js';
import type { TrainableModel } from './model.js';
import { evaluationGraph } from './plans.js';
import { fillConstants, fillParameters } from './weights.js';
import { evenlySpaced, type Windows } from './windows.js';

export interface Evaluation {
  /** Weighted sum of the horizons' losses. */
  loss: number;
  horizons: HorizonEvaluation[];
}

/** Runs a plan of `evaluationGraph` over windows and measures it; the parameters are those that its state holds. */
export class Evaluator {
  readonly plan: Plan;
  readonly #windows: Windows;
  readonly #rows: Int32Array;
  readonly #batch: number;
  readonly #classes: readonly number[];
  readonly #labelSmoothing: number;
  readonly #horizonWeights: readonly number[];
  readonly #x: Float32Array;
  readonly #targets: [Int32Array[], Int32Array[]];
  readonly #logits: Float32Array[];

  constructor(
    plan: Plan,
    {
      windows,
      rows,
      batch,
      classes,
      labelSmoothing,
      horizonWeights,
    }: {
      windows: Windows;
      rows: Int32Array;
      batch: number;
      classes: readonly number[];
      labelSmoothing: number;
      horizonWeights: readonly number[];
    },
  ) {
    this.plan = plan;
    this.#windows = windows;
    this.#rows = rows;
    this.#batch = batch;
    this.#classes = classes;
    this.#labelSmoothing = labelSmoothing;
    this.#horizonWeights = horizonWeights;
    this.#x = new Float32Array(batch * windows.steps * windows.columns);
    const targets = () => classes.map(() => new Int32Array(batch));
    this.#targets = [targets(), targets()];
    this.#logits = classes.map((count) => new Float32Array(batch * count));
  }

  /**
   * Measures all rows. The next batch is gathered while one runs.
   * @param onFraction told after each batch how much is done; may throw to stop
   */
  async run(onFraction?: (fraction: number) => void): Promise<Evaluation> {
    const rows = this.#rows;
    const batches = Math.ceil(rows.length / this.#batch);
    const sums = this.#classes.map(() => new LossSum(this.#labelSmoothing));
    this.#gather(0);
    for (let b = 0; b < batches; b++) {
      const running = this.plan.run([this.#x], this.#logits);
      try {
        if (b + 1 < batches) this.#gather(b + 1);
      } finally {
        await running;
      }
      const count = Math.min(this.#batch, rows.length - b * this.#batch);
      for (const [h, sum] of sums.entries()) sum.add(this.#logits[h], this.#targets[b % 2][h], count, this.#classes[h]);
      onFraction?.((b + 1) / batches);
    }
    return evaluationOf(sums, this.#horizonWeights);
  }

  /** Fills the buffers of batch b. The plan has its own copy of the batch before. A short last batch keeps old rows at its end. */
  #gather(b: number): void {
    const indices = this.#rows.subarray(b * this.#batch, (b + 1) * this.#batch);
    this.#windows.batch(indices, this.#x, this.#targets[b % 2]);
  }
}

function evaluationOf(sums: readonly LossSum[], horizonWeights: readonly number[]): Evaluation {
  const horizons = sums.map(({ loss, hits, rows }) => ({ loss: loss / rows, accuracy: hits / rows, rows }));
  let loss = 0;
  for (const [h, weight] of horizonWeights.entries()) if (weight > 0) loss += weight * horizons[h].loss;
  return { loss, horizons };
}

/** What `evaluate` finds, from logits that are there already: one array (windows, classes) a horizon. */
export function evaluateLogits(
  logits: readonly Float32Array[],
  windows: Pick<Windows, 'labels' | 'length'>,
  { labelSmoothing = 0, horizonWeights }: Pick<EvaluateOptions, 'labelSmoothing' | 'horizonWeights'> = {},
): Evaluation {
  const { length } = windows;
  const sums = logits.map((own, h) => {
    const sum = new LossSum(labelSmoothing);
    sum.add(own, windows.labels(h), length, own.length / length);
    return sum;
  });
  return evaluationOf(sums, checkHorizonWeights(horizonWeights, logits.length));
}

export interface EvaluateOptions {
  batch?: number;
  labelSmoothing?: number;
  horizonWeights?: readonly number[];
  /** At most so many windows, evenly spaced. */
  maxWindows?: number;
  signal?: AbortSignal;
  onProgress?: (fraction: number) => void;
  device?: Device | DeviceName;
}

/**
 * Measures a model with given parameters on windows.
 * @throws FlashbookError ABORTED when the signal fires.
 */
export async function evaluate(
  model: TrainableModel,
  parameters: ReadonlyMap<string, Float32Array>,
  windows: Windows,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkOptions('evaluate', options, [
    'batch',
    'labelSmoothing',
    'horizonWeights',
    'maxWindows',
    'signal',
    'onProgress',
    'device',
  ]);
  const { labelSmoothing = 0, maxWindows = windows.length, signal, onProgress } = options;
  const device = resolveDevice(options.device);
  finite('labelSmoothing', labelSmoothing, 0, 1);
  const batch = Math.min(integer('batch', options.batch ?? 64, 1), windows.length);
  const { graph, classes, compile } = evaluationGraph(model, { batch, steps: windows.steps, columns: windows.columns });
  const state = device.createState(stateSpecs(graph));
  try {
    fillConstants(state, [graph]);
    fillParameters(state, model.parameters(), parameters);
    const plan = device.createPlan(compile(), state);
    const evaluator = new Evaluator(plan, {
      windows,
      rows: evenlySpaced(windows.length, integer('maxWindows', maxWindows, 1)),
      batch,
      classes,
      labelSmoothing,
      horizonWeights: checkHorizonWeights(options.horizonWeights, classes.length),
    });
    try {
      return await evaluator.run((fraction) => {
        if (signal?.aborted)
          throw new FlashbookError('ABORTED', 'the evaluation was stopped', {}, { cause: signal.reason });
        onProgress?.(fraction);
      });
    } finally {
      plan.dispose();
    }
  } finally {
    state.dispose();
  }
}
