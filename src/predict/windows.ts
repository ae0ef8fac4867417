import { describe, FlashbookError, invalid } from '../core/errors.js';
import type { Manifest } from '../export/manifest.js';
import { firstNotFinite } from '../native/index.js';

/**
 * Checks raw feature windows (n, steps, features) and returns n.
 *
 * @throws FlashbookError SHAPE or NUMERIC, as `Predictor` says.
 */
export function checkWindows(features: unknown, input: Manifest['input']): number {
  const columns = input.features.length;
  const windowLength = input.steps * columns;
  const expected = `a Float32Array of n × ${input.steps} steps × ${columns} features`;
  if (!(features instanceof Float32Array)) throw invalid('features', expected, features, 'SHAPE');
  checkMemory(features, 'features');
  if (features.length === 0 || features.length % windowLength !== 0) {
    throw new FlashbookError(
      'SHAPE',
      `expected ${expected}, that is a positive multiple of ${windowLength} values, but received ${describe(features)}`,
      { length: features.length, windowLength },
    );
  }
  const wrong = firstNotFinite(features);
  if (wrong >= 0) throw notFinite(wrong, features[wrong], input);
  return features.length / windowLength;
}

/** Refuses memory that may vanish, move or change while it is read. */
function checkMemory(array: Float32Array, name: string): void {
  const buffer = array.buffer as ArrayBuffer & { resizable?: boolean };
  if (buffer instanceof SharedArrayBuffer) {
    throw new FlashbookError(
      'SHAPE',
      `${name} lies in shared memory, which may change while it is read; pass ${name}.slice()`,
    );
  }
  if (buffer.resizable) {
    throw new FlashbookError('SHAPE', `${name} lies in a resizable buffer; pass ${name}.slice()`);
  }
  if (array.length === 0 && isDetached(buffer)) {
    throw new FlashbookError(
      'SHAPE',
      `${name} is detached: its memory was transferred to another thread; pass it before`,
    );
  }
}

function isDetached(buffer: ArrayBuffer): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

function notFinite(index: number, value: number, { steps, features }: Manifest['input']): FlashbookError {
  const column = index % features.length;
  const step = Math.floor(index / features.length) % steps;
  const window = Math.floor(index / features.length / steps);
  return new FlashbookError(
    'NUMERIC',
    `expected finite features but received ${value} in window ${window}, step ${step}, feature ${column} ('${features[column]}')`,
    { window, step, feature: features[column], value },
  );
}
