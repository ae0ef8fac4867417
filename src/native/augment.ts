/** What the augmentations of training windows spend their time on; src/data has the same in plain code, where there is no native core. */
import { type Isa, translated } from './addon.js';
import { requireAddon } from './load.js';

declare module './addon.js' {
  interface Addon {
    addNormals(values: Float32Array, deviation: number, key: Uint32Array, isa?: Isa): void;
    multiplySplines(values: Float32Array, columns: number, knots: Float32Array, isa?: Isa): void;
  }
}

/**
 * values[i] += deviation · n[i], n standard normal, drawn from four words alone: native/kernels/augment has the formula.
 *
 * @throws FlashbookError `SHAPE`, `OPTION`, or `NATIVE` without the native core or the instruction set
 */
export function addNormals(values: Float32Array, deviation: number, key: Uint32Array, isa?: Isa): void {
  try {
    requireAddon().addNormals(values, deviation, key, isa);
  } catch (error) {
    throw translated(error);
  }
}

/**
 * Multiplies each column of values (rows, columns) by the natural cubic spline through its column of knots (two or more, columns).
 *
 * @throws FlashbookError `SHAPE`, `OPTION`, or `NATIVE` without the native core or the instruction set
 */
export function multiplySplines(values: Float32Array, columns: number, knots: Float32Array, isa?: Isa): void {
  try {
    requireAddon().multiplySplines(values, columns, knots, isa);
  } catch (error) {
    throw translated(error);
  }
}
