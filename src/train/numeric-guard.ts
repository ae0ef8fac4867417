import { FlashbookError } from '../core/errors.js';
import type { State } from '../native/index.js';
import { gradientName, type OptimizerParameter } from '../optim/index.js';

/** What is known when a number that must be finite is not. */
export interface NumericFailure {
  step: number;
  /** The loss of that step. */
  loss: number;
  /** The gradients' norm, where it was computed. */
  gradientNorm?: number;
  state: State;
  parameters: readonly OptimizerParameter[];
  /** The batch that led to it, (B, T, F) with F columns. */
  x: Float32Array;
  columns: number;
}

/**
 * The error for a loss or gradient that is NaN or infinite, which left the parameters as they were. It names the first tensor with such a value,
 * searched in the order of cause: the batch, the parameters, the gradients.
 */
export function numericError({
  step,
  loss,
  gradientNorm,
  state,
  parameters,
  x,
  columns,
}: NumericFailure): FlashbookError {
  const culprit = findCulprit(state, parameters, x, columns);
  const norm = gradientNorm === undefined ? '' : `, gradient norm ${gradientNorm}`;
  return new FlashbookError(
    'NUMERIC',
    `training stopped at step ${step}: the loss is ${loss}${norm}; ${culprit}. ` +
      'Lower the learning rate or look at the data; the last checkpoint is from before this step.',
    { step, loss, gradientNorm, culprit },
  );
}

function findCulprit(
  state: State,
  parameters: readonly OptimizerParameter[],
  x: Float32Array,
  columns: number,
): string {
  const inBatch = firstNonFinite(x);
  if (inBatch >= 0) {
    return `the first non-finite value is ${x[inBatch]} in the batch, feature column ${inBatch % columns}`;
  }
  const kinds: ['parameter' | 'gradient', (name: string) => string][] = [
    ['parameter', (name) => name],
    ['gradient', gradientName],
  ];
  for (const [kind, bufferOf] of kinds) {
    for (const { name } of parameters) {
      const values = state.get(bufferOf(name)) as Float32Array;
      const at = firstNonFinite(values);
      if (at >= 0) return `the first non-finite tensor is the ${kind} ${name}: ${values[at]} at element ${at}`;
    }
  }
  return 'all parameters and gradients are finite, so it arose in the loss itself or in a sum over them';
}

/** Index of the first NaN or infinity; −1 where all are finite. */
export function firstNonFinite(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}
