import { invalid } from '../core/errors.js';
import { Random } from '../core/random.js';
import type { Module } from './module.js';
import type { Init, ParameterInfo } from './parameter.js';

/**
 * The starting values of a model's parameters by name. The same seed gives the same bits on every machine. Each parameter
 * draws from a random stream of its own name, so that a change of one module leaves the others' values as they are.
 *
 * @param seed a non-negative safe integer.
 */
export function initialise(model: Module, seed: number): Map<string, Float32Array> {
  if (!Number.isSafeInteger(seed) || seed < 0) throw invalid('seed', 'a non-negative safe integer', seed);
  return new Map(model.parameters().map((parameter) => [parameter.name, initialValue(parameter, seed)]));
}

function initialValue({ name, shape, init }: ParameterInfo, seed: number): Float32Array {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  if (init.kind === 'zeros') return values;
  if (init.kind === 'ones') return values.fill(1);
  if (init.kind === 'constant') return values.fill(init.value);
  const random = new Random(seed, hashName(name));
  if (init.kind === 'normal') {
    const { std, zeroRow } = init;
    for (let i = 0; i < values.length; i++) values[i] = random.normal() * std;
    const width = values.length / shape[0];
    return zeroRow === undefined ? values : values.fill(0, zeroRow * width, (zeroRow + 1) * width);
  }
  const bound = uniformBound(init);
  for (let i = 0; i < values.length; i++) values[i] = (2 * random.float() - 1) * bound;
  return values;
}

function uniformBound(init: Extract<Init, { fanIn: number }>): number {
  return init.kind === 'xavier' ? Math.sqrt(6 / (init.fanIn + init.fanOut)) : 1 / Math.sqrt(init.fanIn);
}

/** FNV-1a over the UTF-16 code units, 32 bits. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
