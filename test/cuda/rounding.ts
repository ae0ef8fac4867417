/** The types of the tensor cores, as float64 numbers. */
const view = new DataView(new ArrayBuffer(4));

/** To nearest even; NaN stays. */
export function bf16(x: number): number {
  view.setFloat32(0, x);
  const bits = view.getUint32(0);
  if (Number.isNaN(x)) return x;
  view.setUint32(0, (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000);
  return view.getFloat32(0);
}

/** To nearest even; from 65520 on infinite, below 2⁻¹⁴ in steps of 2⁻²⁴. */
export function f16(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const magnitude = Math.abs(x);
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14);
  const step = 2 ** (exponent - 10);
  const units = magnitude / step;
  const floor = Math.floor(units);
  const rest = units - floor;
  const rounded = (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor) * step;
  return Math.sign(x) * (rounded > 65504 ? Number.POSITIVE_INFINITY : rounded);
}

/** 10 bits of mantissa, to nearest, ties away from zero. */
export function tf32(x: number): number {
  view.setFloat32(0, x);
  if (!Number.isFinite(x)) return x;
  view.setUint32(0, (view.getUint32(0) + 0x1000) & 0xffffe000);
  return view.getFloat32(0);
}

export const ROUND = { f32: Math.fround, bf16, f16, tf32 } as const;
export type Precision = keyof typeof ROUND;
