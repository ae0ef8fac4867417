import { FlashbookError, invalid } from '../core/errors.js';
import type { DType, TypedArray } from './plan-spec.js';

const CONSTRUCTORS: Readonly<Record<DType, new (length: number) => TypedArray>> = {
  f32: Float32Array,
  i32: Int32Array,
  u32: Uint32Array,
  i8: Int8Array,
  u8: Uint8Array,
};

/** A new zeroed array for `dtype`. */
export function allocate(dtype: DType, elements: number): TypedArray {
  return new CONSTRUCTORS[dtype](elements);
}

/**
 * Checks that native code may read or write `array`: of the dtype's own class, of exactly `elements` elements, and over
 * plain memory. Shared memory may change during a copy, resizable memory may shrink, detached memory is gone.
 *
 * @throws FlashbookError SHAPE
 */
export function checkArray(kind: string, name: string, array: unknown, dtype: DType, elements: number): void {
  const expected = CONSTRUCTORS[dtype];
  if (!(array instanceof expected)) {
    throw invalid(`${kind} '${name}'`, `${expected.name}(${elements})`, array, 'SHAPE');
  }
  const buffer = (array as TypedArray).buffer;
  if (!(buffer instanceof ArrayBuffer)) refuse(kind, name, 'a SharedArrayBuffer');
  if ((buffer as { resizable?: boolean }).resizable === true) refuse(kind, name, 'a resizable ArrayBuffer');
  if ((array as TypedArray).length !== elements) {
    if (isDetached(buffer as ArrayBuffer)) refuse(kind, name, 'a detached ArrayBuffer');
    throw invalid(`${kind} '${name}'`, `${expected.name}(${elements})`, array, 'SHAPE');
  }
}

/** A detached buffer has no bytes and cannot be viewed; `ArrayBuffer.prototype.detached` is newer than Node 20. */
function isDetached(buffer: ArrayBuffer): boolean {
  if (buffer.byteLength !== 0) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

function refuse(kind: string, name: string, over: string): never {
  throw new FlashbookError(
    'SHAPE',
    `expected an array over its own plain memory for ${kind} '${name}' but received one over ${over}; pass a copy (array.slice())`,
    { name },
  );
}
