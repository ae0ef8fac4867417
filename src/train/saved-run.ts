import { FlashbookError } from '../core/errors.js';
import type { State } from '../native/index.js';
import type { TypedArray } from '../native/plan-spec.js';
import { type CheckpointTensor, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { type Configuration, requireSame } from './configuration.js';
import type { EarlyStoppingState } from './early-stopping.js';
import type { History } from './history.js';
import type { LossScalerState } from './loss-scaler.js';

/**
 * Where a run stands, besides its tensors. The order of windows and the random numbers of dropout follow from the seed and the
 * step, so that the step is their position.
 */
export interface RunProgress {
  configuration: Configuration;
  /** Steps made. */
  step: number;
  /** The step of the last evaluation. */
  evaluatedStep: number;
  early: EarlyStoppingState;
  /** What the schedule remembers, where it goes by evaluations. */
  schedule?: unknown;
  /** The loss's factor, and how many steps have overflowed. */
  scaler?: LossScalerState;
  skipped?: number;
  /** What the curriculum remembers. */
  curriculum?: unknown;
  history: History;
  /** Wall time until now. */
  seconds: number;
}

export interface RunToSave {
  progress: RunProgress;
  state: State;
  /** The state buffers to save: parameters and the optimiser's own. */
  buffers: readonly string[];
  /** The best weights so far. */
  best: ReadonlyMap<string, Float32Array>;
  /** What the callbacks remember, in their order. */
  callbacks: readonly (ReadonlyMap<string, Float32Array> | undefined)[];
}

export interface LoadedRun {
  progress: RunProgress;
  best: Map<string, Float32Array>;
  /** What a callback remembered, by its place among the callbacks. */
  remembered(callback: number): Map<string, Float32Array>;
}

/** Writes a run into a checkpoint file. */
export async function saveRun(path: string, { progress, state, buffers, best, callbacks }: RunToSave): Promise<void> {
  const specs = new Map(state.specs.map((spec) => [spec.name, spec]));
  const tensors = new Map<string, CheckpointTensor>();
  for (const name of buffers) {
    const { dtype, shape } = specs.get(name)!;
    tensors.set(`state/${name}`, { dtype, shape, data: state.get(name) });
  }
  for (const [name, data] of best) tensors.set(`best/${name}`, { dtype: 'f32', shape: specs.get(name)!.shape, data });
  for (const [i, remembered] of callbacks.entries()) {
    for (const [name, data] of remembered ?? []) {
      tensors.set(`${callbackPrefix(i)}${name}`, { dtype: 'f32', shape: [data.length], data });
    }
  }
  await writeCheckpoint(path, { state: progress, tensors });
}

/**
 * Brings a saved run back: fills the buffers and returns the rest; undefined when there is no file.
 * @throws FlashbookError OPTION when it is of another configuration, FORMAT when it is damaged.
 */
export async function loadRun(
  path: string,
  configuration: Configuration,
  state: State,
  buffers: readonly string[],
  parameters: readonly { name: string }[],
): Promise<LoadedRun | undefined> {
  const saved = await readCheckpoint<RunProgress>(path);
  if (saved === undefined) return undefined;
  requireSame(path, saved.state.configuration, configuration);
  const tensor = (name: string): TypedArray => {
    const found = saved.tensors.get(name);
    if (found === undefined) {
      throw new FlashbookError('FORMAT', `the checkpoint ${path} has no tensor '${name}'; train without resuming`, {
        file: path,
        name,
      });
    }
    return found.data;
  };
  for (const name of buffers) state.set(name, tensor(`state/${name}`));
  const best = new Map(parameters.map(({ name }) => [name, tensor(`best/${name}`) as Float32Array]));
  const remembered = (callback: number) => {
    const prefix = callbackPrefix(callback);
    const own = [...saved.tensors].filter(([name]) => name.startsWith(prefix));
    return new Map(own.map(([name, { data }]) => [name.slice(prefix.length), data as Float32Array]));
  };
  return { progress: saved.state, best, remembered };
}

function callbackPrefix(callback: number): string {
  return `callback/${callback}/`;
}
