import { FlashbookError } from '../core/errors.js';
import { checkOptions } from '../core/options.js';
import type { Artefact } from '../export/artefact-file.js';
import { type Manifest, outputColumns } from '../export/manifest.js';
import type { Device, Plan, PlanOptions, State } from '../native/index.js';
import type { PlanSpec, StateSpec, TypedArray } from '../native/plan-spec.js';
import { aborted } from './abort.js';
import { type BatchRun, splitBatches } from './batches.js';
import { finishPrediction, outputArrays, preparePrediction } from './prediction.js';
import type { PredictAsyncOptions, Prediction, PredictOptions, Predictor } from './predictor.js';
import { checkWindows } from './windows.js';

export interface NativePredictorOptions {
  device: Device;
  threads: number;
  reason?: string;
  /** Forces an instruction set. */
  isa?: PlanOptions['isa'];
}

/**
 * Runs an artefact's plans with the native core: one plan a batch size, all over one set of packed weights. Other numbers
 * of windows are split into those sizes; what is left over is padded with zeros, which changes no window's result.
 */
export class NativePredictor implements Predictor {
  readonly backend = 'native';
  readonly manifest: Manifest;
  readonly reason: string;
  readonly threads: number;
  readonly #state: State;
  readonly #plans = new Map<number, Plan>();
  readonly #sizes: number[];
  readonly #windowLength: number;
  /** Values that each output has for a window. */
  readonly #widths: readonly number[];
  /** For padded runs, by batch size: made at the first one. */
  readonly #staging = new Map<number, { features: Float32Array; outputs: Float32Array[] }>();
  #disposed = false;

  /** @throws FlashbookError NATIVE or ARTEFACT when the plans and weights do not fit this core. */
  constructor(artefact: Artefact, options: NativePredictorOptions) {
    const { device, threads, isa, reason = 'asked for' } = options;
    this.manifest = artefact.manifest;
    this.threads = threads;
    this.reason = reason;
    const { input, output } = artefact.manifest;
    this.#windowLength = input.steps * input.features.length;
    this.#widths = outputColumns(output).map(({ units }) => units.length);

    const weights = artefact.weights();
    const specs: StateSpec[] = [...weights].map(([name, { dtype, shape }]) => ({
      name,
      dtype: planDtype(name, dtype),
      shape,
    }));
    this.#state = device.createState(specs);
    try {
      for (const [name, { data }] of weights) this.#state.set(name, data as TypedArray);
      const planOptions: PlanOptions = isa === undefined ? { frozen: true } : { frozen: true, isa };
      for (const [batch, spec] of artefact.plans()) {
        this.#checkPlan(batch, spec);
        this.#plans.set(batch, device.createPlan(spec, this.#state, planOptions));
      }
      this.#state.releasePacked();
    } catch (error) {
      this.#free();
      throw error;
    }
    this.#sizes = [...this.#plans.keys()].sort((a, b) => a - b);
  }

  predictSync(features: Float32Array, options: PredictOptions = {}): Prediction {
    checkOptions('predictSync', options, ['out']);
    this.#checkAlive();
    const { prediction, windows } = this.#prepare(features, options.out);
    const start = process.hrtime.bigint();
    const whole = this.#plans.get(windows);
    const results = outputArrays(prediction);
    if (whole !== undefined) whole.runSync([features], results);
    else {
      for (const run of splitBatches(windows, this.#sizes)) {
        const buffers = this.#buffers(run, features, results);
        this.#plan(run.batch).runSync([buffers.features], buffers.outputs);
        this.#collect(run, buffers.outputs, results);
      }
    }
    return finishPrediction(prediction, Number(process.hrtime.bigint() - start));
  }

  async predict(features: Float32Array, options: PredictAsyncOptions = {}): Promise<Prediction> {
    checkOptions('predict', options, ['out', 'signal']);
    this.#checkAlive();
    const { out, signal } = options;
    const { prediction, windows } = this.#prepare(features, out);
    const runs = splitBatches(windows, this.#sizes);
    const source = runs.length > 1 ? features.slice() : features; // a run copies its own inputs before it returns
    const results = outputArrays(prediction);
    let runNs = 0;
    for (const run of runs) {
      if (signal?.aborted) throw aborted(signal);
      this.#checkAlive();
      const start = process.hrtime.bigint();
      const buffers = this.#buffers(run, source, results, this.#padded(run.batch));
      await this.#plan(run.batch).run([buffers.features], buffers.outputs);
      this.#collect(run, buffers.outputs, results);
      runNs += Number(process.hrtime.bigint() - start);
    }
    return finishPrediction(prediction, runNs);
  }

  /** Runs that are under way are refused with DISPOSED. */
  async dispose(): Promise<void> {
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#free();
  }

  /** Bytes held by the weights that no plan has packed, and by all plans. */
  memory(): { weightBytes: number; arenaBytes: number; workspaceBytes: number; packedBytes: number } {
    const sum = { weightBytes: this.#state.bytes, arenaBytes: 0, workspaceBytes: 0, packedBytes: 0 };
    for (const plan of this.#plans.values()) {
      const { arenaBytes, workspaceBytes, packedBytes } = plan.memory();
      sum.arenaBytes += arenaBytes;
      sum.workspaceBytes += workspaceBytes;
      sum.packedBytes = Math.max(sum.packedBytes, packedBytes); // shared by the plans of one state
    }
    return sum;
  }

  /**
   * The plan of `batch` windows, to look at or to profile; it is the predictor's own.
   *
   * @throws FlashbookError OPTION where there is none, naming those that there are
   */
  plan(batch: number): Plan {
    return this.#plan(batch);
  }

  #prepare(features: Float32Array, out: Prediction | undefined) {
    const windows = checkWindows(features, this.manifest.input);
    return { windows, prediction: preparePrediction(windows, this.manifest.output, out) };
  }

  /**
   * Views of the caller's arrays for a full run; for a padded one the staging buffers, filled. An asynchronous run brings
   * its own `padded`, since a synchronous one may come in between.
   */
  #buffers(
    { start, windows, batch }: BatchRun,
    features: Float32Array,
    results: readonly Float32Array[],
    padded?: Float32Array[],
  ) {
    const given = features.subarray(start * this.#windowLength, (start + windows) * this.#windowLength);
    if (windows === batch) {
      return {
        features: given,
        outputs: results.map((all, o) => all.subarray(start * this.#widths[o], (start + windows) * this.#widths[o])),
      };
    }
    let staging = this.#staging.get(batch);
    if (staging === undefined) {
      staging = { features: new Float32Array(batch * this.#windowLength), outputs: this.#padded(batch) };
      this.#staging.set(batch, staging);
    }
    staging.features.set(given);
    staging.features.fill(0, given.length);
    return { features: staging.features, outputs: padded ?? staging.outputs };
  }

  #collect(
    { start, windows, batch }: BatchRun,
    outputs: readonly Float32Array[],
    results: readonly Float32Array[],
  ): void {
    if (windows === batch) return;
    for (const [o, width] of this.#widths.entries()) {
      results[o].set(outputs[o].subarray(0, windows * width), start * width);
    }
  }

  #padded(batch: number): Float32Array[] {
    return this.#widths.map((width) => new Float32Array(batch * width));
  }

  #checkPlan(batch: number, { tensors, inputs, outputs }: PlanSpec): void {
    const elements = (index: number) => tensors[index]?.shape.reduce((product, size) => product * size, 1);
    const fits =
      inputs.length === 1 &&
      outputs.length === this.#widths.length &&
      elements(inputs[0]) === batch * this.#windowLength &&
      this.#widths.every((width, o) => elements(outputs[o]) === batch * width);
    if (!fits) {
      throw new FlashbookError(
        'ARTEFACT',
        `the plan of batch ${batch} has other inputs or outputs than the manifest says`,
        {
          batch,
        },
      );
    }
  }

  #plan(batch: number): Plan {
    const plan = this.#plans.get(batch);
    if (plan === undefined) {
      throw new FlashbookError('OPTION', `there is no plan of batch ${batch}, only of ${this.#sizes.join(', ')}`, {
        batch,
      });
    }
    return plan;
  }

  #checkAlive(): void {
    if (this.#disposed) throw new FlashbookError('DISPOSED', 'this predictor was disposed; load it again');
  }

  #free(): void {
    for (const plan of this.#plans.values()) plan.dispose();
    this.#state.dispose();
  }
}

const PLAN_DTYPES: Readonly<Record<string, StateSpec['dtype']>> = {
  F32: 'f32',
  I32: 'i32',
  U32: 'u32',
  I8: 'i8',
  U8: 'u8',
};

function planDtype(name: string, dtype: string): StateSpec['dtype'] {
  const found = PLAN_DTYPES[dtype];
  if (found === undefined)
    throw new FlashbookError('ARTEFACT', `the weight '${name}' has dtype ${dtype}, which no plan uses`, { name });
  return found;
}
