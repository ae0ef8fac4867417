import { FlashbookError, invalid } from '../core/errors.js';
import { constants, type Graph } from '../graph/index.js';
import type { State } from '../native/index.js';
import { initialise } from '../nn/index.js';
import type { TrainableModel } from './model.js';

/** A parameter as far as its buffer is concerned. */
interface ParameterShape {
  name: string;
  shape: readonly number[];
}

/** The weights that training begins with: those given, or drawn from the seed. */
export function initialWeights(
  model: TrainableModel,
  { seed, initial }: { seed: number; initial?: ReadonlyMap<string, Float32Array> },
): ReadonlyMap<string, Float32Array> {
  return initial ?? initialise(model, seed);
}

/** Puts the graphs' constants into their buffers. */
export function fillConstants(state: State, graphs: readonly Graph[]): void {
  for (const [name, data] of constants(...graphs)) state.set(name, data);
}

/**
 * Puts weights into the parameters' buffers.
 * @throws FlashbookError SHAPE when one is missing or of a wrong length, or when there is one that the model does not have.
 */
export function fillParameters(
  state: State,
  parameters: readonly ParameterShape[],
  weights: ReadonlyMap<string, Float32Array>,
): void {
  for (const { name, shape } of parameters) {
    const values = weights.get(name);
    const length = shape.reduce((n, d) => n * d, 1);
    if (!(values instanceof Float32Array) || values.length !== length) {
      throw invalid(`the parameter '${name}'`, `Float32Array(${length})`, values, 'SHAPE');
    }
    state.set(name, values);
  }
  const known = new Set(parameters.map(({ name }) => name));
  for (const name of weights.keys()) {
    if (!known.has(name)) throw new FlashbookError('SHAPE', `the model has no parameter '${name}'`, { name });
  }
}

/** Copies of the parameters' buffers. */
export function readParameters(state: State, parameters: readonly ParameterShape[]): Map<string, Float32Array> {
  return new Map(parameters.map(({ name }) => [name, state.get(name) as Float32Array]));
}
