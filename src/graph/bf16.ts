/** bf16 operands: the attribute `precision` of the operations that multiply matrices, and the rounding. */
import { oneOf } from '../core/options.js';

/**
 * 'bf16': operands are rounded to bf16, half to even, where they are multiplied; sums, results and everything in memory stay
 * float32. About twice to eight times as fast as 'f32' where the processor has bf16 arithmetic, correct elsewhere.
 */
export type Precision = 'f32' | 'bf16';

/** The attribute: absent for f32, so that plans without bf16 stay what they were. */
export function precisionAttribute(precision: Precision | undefined): { precision?: Precision } {
  return precision === undefined || precision === 'f32' ? {} : { precision };
}

export function checkPrecision(operation: string, precision: Precision | undefined): void {
  if (precision !== undefined) oneOf(`precision of ${operation}`, precision, ['f32', 'bf16']);
}

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** The bf16 number nearest to float32 x: sign, 8 bits of exponent, 7 of fraction. NaN stays NaN. */
export function roundBf16(x: number): number {
  if (Number.isNaN(x)) return x;
  FLOAT[0] = x;
  BITS[0] = BITS[0] + 0x7fff + ((BITS[0] >>> 16) & 1);
  BITS[0] &= 0xffff0000;
  return FLOAT[0];
}

/** Operand data as the kernel multiplies it. */
export function operandData(data: Float64Array, precision: Precision | undefined): Float64Array {
  return precision === 'bf16' ? data.map(roundBf16) : data;
}
