/** Checks of shapes. Each error names the operation, the operand, what was expected and what came. */
import { FlashbookError } from '../core/errors.js';
import type { Shape, TensorType } from './operation.js';

/** (2, 3), or () for a scalar. */
export function formatShape(shape: Shape): string {
  return `(${shape.join(', ')})`;
}

export function shapeError(operation: string, operand: string, expected: string, received: Shape): FlashbookError {
  const shown = formatShape(received);
  return new FlashbookError('SHAPE', `${operation}: expected ${expected} for ${operand} but received shape ${shown}`, {
    operation,
    operand,
    expected,
    received: shown,
  });
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** True when `suffix` equals the last dimensions of `shape`. */
export function isSuffix(suffix: Shape, shape: Shape): boolean {
  const skip = shape.length - suffix.length;
  return skip >= 0 && suffix.every((size, i) => size === shape[skip + i]);
}

export function expectShape(operation: string, operand: string, type: TensorType, expected: Shape, why = ''): void {
  if (!sameShape(type.shape, expected)) {
    throw shapeError(operation, operand, `shape ${formatShape(expected)}${why && ` (${why})`}`, type.shape);
  }
}

export function expectRank(operation: string, operand: string, type: TensorType, rank: number, axes: string): void {
  if (type.shape.length !== rank) throw shapeError(operation, operand, `${rank} dimensions ${axes}`, type.shape);
}

/** At least one dimension, the last of which has `size` elements. */
export function expectColumns(operation: string, operand: string, type: TensorType, size: number, why: string): void {
  if (type.shape.length === 0 || type.shape[type.shape.length - 1] !== size) {
    throw shapeError(operation, operand, `shape (…, ${size}) (${why})`, type.shape);
  }
}

/** Dimensions are positive integers. */
export function checkShape(name: string, shape: Shape): void {
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 1) {
      throw new FlashbookError(
        'SHAPE',
        `expected positive integers as the shape of ${name} but received ${formatShape(shape)}`,
        {
          name,
        },
      );
    }
  }
}
