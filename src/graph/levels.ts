/** Unsigned 8-bit levels of a fixed scale: x ≈ (u − zero) · scale. The static form of int8 activations. */
import { finite, integer } from '../core/options.js';
import { roundHalfEven } from './ops/qlinear.js';

export interface LevelScale {
  /** The step from one level to the next, a float32 from 2⁻¹⁰⁰ to 2¹⁰⁰. */
  scale: number;
  /** The level of 0, an integer from 0 to 255. */
  zero: number;
}

/** Checks the two numbers and rounds the scale to float32. */
export function levelScale(name: string, { scale, zero }: LevelScale): LevelScale {
  finite(`${name}.scale`, scale, 2 ** -100, 2 ** 100);
  integer(`${name}.zero`, zero, 0, 255);
  return { scale: Math.fround(scale), zero };
}

/** 1 / scale in float32, with which all backends multiply. */
export function inverseScale({ scale }: LevelScale): number {
  return Math.fround(1 / scale);
}

/**
 * The level of x, as all backends round it: clamp(roundHalfEven(x · (1 / scale)) + zero, 0, 255) in float32. Infinity becomes the
 * outermost level; NaN, which has none, level 0.
 */
export function levelOf(x: number, levels: LevelScale): number {
  const stretched = Math.fround(Math.fround(x) * inverseScale(levels));
  if (Number.isNaN(stretched)) return 0;
  return Math.min(255, Math.max(0, roundHalfEven(Math.max(-256, Math.min(256, stretched))) + levels.zero));
}
