import { FlashbookError } from '../../core/errors.js';
import type { Tensor } from '../ir.js';
import type { TensorType, Value } from '../operation.js';
import type { AttentionAttributes, AttentionSizes } from './attention.js';
import { checkDropout, dropoutFactors } from './dropout.js';

/** Dropout of the softmax weights: probability, [seed low, seed high, step, 0], and a stream that nothing else of the graph draws from. */
export interface AttentionDropout {
  p: number;
  rng: Tensor;
  /** The default is one that no other random operation of the graph has. */
  stream?: number;
}

/** Checks that the operand rng is there when, and only when, the attributes ask for dropout. */
export function checkAttentionDropout(
  operation: string,
  rng: TensorType | undefined,
  attrs: AttentionAttributes,
): void {
  const { dropout, stream } = attrs;
  if (rng === undefined && dropout === undefined) return;
  if (rng === undefined || dropout === undefined || stream === undefined) {
    throw new FlashbookError('OPTION', `${operation}: dropout, stream and the operand rng go together`);
  }
  checkDropout(operation, rng, { p: dropout, stream });
}

/**
 * Returns what fills mask[t], for each of the keys, with what dropout multiplies the weight of key t by; with 1 where there is none.
 * It is the factor of element ((batch · heads + head) · T + query) · P + ⌊t / stride⌋, P being T rounded up to a multiple of 16.
 */
export function attentionMask(
  s: AttentionSizes,
  attrs: AttentionAttributes,
  rng: Value | undefined,
): (batch: number, head: number, query: number, keys: readonly number[], mask: Float64Array) => void {
  const { dropout: p, stream } = attrs;
  if (rng === undefined || p === undefined || stream === undefined) return (_b, _h, _q, _k, mask) => mask.fill(1);
  const factorOf = dropoutFactors(rng, { p, stream });
  const padded = Math.ceil(s.steps / 16) * 16;
  return (batch, head, query, keys, mask) => {
    const first = ((batch * s.heads + head) * s.steps + query) * padded;
    const stride = attrs.strides?.[head] ?? 1;
    for (const t of keys) mask[t] = factorOf(first + Math.floor(t / stride));
  };
}
