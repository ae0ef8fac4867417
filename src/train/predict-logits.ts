import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, integer, oneOf } from '../core/options.js';
import { type Precision, stateSpecs } from '../graph/index.js';
import { type Device, type DeviceName, resolveDevice } from '../native/index.js';
import type { TrainableModel } from './model.js';
import { evaluationGraph } from './plans.js';
import { fillConstants, fillParameters } from './weights.js';
import type { Windows } from './windows.js';

export interface PredictWindowsOptions {
  /** Windows in one call. Default 64. */
  batch?: number;
  /** In bf16 as evaluations of a training in bf16. Default 'f32'. */
  precision?: Precision;
  device?: Device | DeviceName;
  signal?: AbortSignal;
  /** Told after each batch how much is done. */
  onProgress?: (fraction: number) => void;
}

const OPTIONS = ['batch', 'precision', 'device', 'signal', 'onProgress'];

/** A model's logits on windows: one array (windows, classes) a horizon. @throws FlashbookError ABORTED when the signal fires */
export async function predictLogits(
  model: TrainableModel,
  parameters: ReadonlyMap<string, Float32Array>,
  windows: Windows,
  options: PredictWindowsOptions = {},
): Promise<Float32Array[]> {
  checkOptions('predictLogits', options, OPTIONS);
  return [...(await outputsOf(model, parameters, windows, options)).values()];
}

/** What a model's heads tell of the returns of windows, in the unit of the returns that they learned. */
export interface PredictedReturns {
  /** (windows) */
  location: Float32Array;
  /** (windows, RETURN_QUANTILES.length), where the model has them. */
  quantiles?: Float32Array;
}

/**
 * Location and quantiles of the returns, one a horizon, by a model that was built and trained with regression.
 * @throws FlashbookError OPTION for a model without
 */
export async function predictReturns(
  model: TrainableModel,
  parameters: ReadonlyMap<string, Float32Array>,
  windows: Windows,
  options: PredictWindowsOptions = {},
): Promise<PredictedReturns[]> {
  checkOptions('predictReturns', options, OPTIONS);
  const outputs = await outputsOf(model, parameters, windows, { ...options, returns: true });
  return Array.from({ length: windows.horizons }, (_, h) => {
    const location = outputs.get(`return.${h}.location`);
    const quantiles = outputs.get(`return.${h}.quantiles`);
    if (location === undefined)
      throw invalid('model', "one built with regression 'location' or 'quantiles'", model.options);
    return { location, ...(quantiles && { quantiles }) };
  });
}

/** The outputs of the evaluation's graph over windows, (windows, columns) each. */
async function outputsOf(
  model: TrainableModel,
  parameters: ReadonlyMap<string, Float32Array>,
  windows: Windows,
  { returns, signal, onProgress, ...options }: PredictWindowsOptions & { returns?: boolean },
): Promise<Map<string, Float32Array>> {
  const device = resolveDevice(options.device);
  const batch = Math.min(integer('batch', options.batch ?? 64, 1), windows.length);
  const precision = oneOf<Precision>('precision', options.precision ?? 'f32', ['f32', 'bf16']);
  const { steps, columns } = windows;
  const { graph, compile } = evaluationGraph(model, { batch, steps, columns }, { precision, returns });
  const names = [...graph.outputs.keys()];
  const widths = [...graph.outputs.values()].map(({ shape }) => shape[1]);
  const state = device.createState(stateSpecs(graph));
  try {
    fillConstants(state, [graph]);
    fillParameters(state, model.parameters(), parameters);
    const plan = device.createPlan(compile(), state);
    try {
      const x = new Float32Array(batch * steps * columns);
      // Data sets write the targets too; nobody looks at them here.
      const targets = Array.from({ length: windows.horizons }, () => new Int32Array(batch));
      const results = widths.map((width) => new Float32Array(windows.length * width));
      const outputs = widths.map((width) => new Float32Array(batch * width));
      for (let first = 0; first < windows.length; first += batch) {
        const rows = Math.min(batch, windows.length - first);
        windows.batch(
          Int32Array.from({ length: rows }, (_, i) => first + i),
          x,
          targets,
        );
        await plan.run([x], outputs);
        for (const [o, width] of widths.entries()) results[o].set(outputs[o].subarray(0, rows * width), first * width);
        if (signal?.aborted)
          throw new FlashbookError('ABORTED', 'the prediction was stopped', {}, { cause: signal.reason });
        onProgress?.((first + rows) / windows.length);
      }
      return new Map(names.map((name, o) => [name, results[o]]));
    } finally {
      plan.dispose();
    }
  } finally {
    state.dispose();
  }
}
