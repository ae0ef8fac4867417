import { checkOptions, finite, integer } from '../../core/options.js';
import { philox4x32 } from '../../core/philox.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation, type TensorType, type Value } from '../operation.js';
import { expectShape } from '../shape.js';

export interface DropoutAttributes {
  p: number;
  stream: number;
}

/** Above it the share that stays is a few steps of 2⁻¹⁶, no longer a sensible number. */
const LARGEST_P = 0.9999;

/**
 * Each element is dropped with probability p, rounded to a multiple of 2⁻¹⁶, else multiplied by 1/(1 − p) of that p (inverted
 * dropout, Srivastava et al. 2014).
 * x (…), rng uint32 (4) = [seed low, seed high, step, 0] → y (…).
 *
 * The random bits of element e are the 16-bit half e mod 8 of the four words of Philox4x32-10 with key (rng[0], rng[1]) and
 * counter (b low, b high, stream, rng[2]), b = ⌊e/8⌋, each word giving its low half first; the element is dropped if they are
 * below the threshold ⌊p·2¹⁶ + ½⌋. The mask is never stored: the gradient is the same operation on dy. Training only, no ONNX form.
 */
export const dropoutOperation: Operation<{ p: number; stream: number }> = {
  name: 'dropout',
  operands: ['x', 'rng:u32'],
  results: ['y'],
  infer([x, rng], attrs) {
    checkDropout('dropout', rng, attrs);
    return [f32(x.shape)];
  },
  reference([x, rng], attrs, [y]) {
    const factorOf = dropoutFactors(rng, attrs);
    for (let e = 0; e < y.data.length; e++) {
      const factor = factorOf(e);
      y.data[e] = factor === 0 ? 0 : x.data[e] * factor;
    }
  },
  gradient: ({ inputs: [, rng], attrs }, [dy]) => [dy?.graph.apply(dropoutOperation, [dy, rng], attrs)[0], undefined],
  inPlace: () => [0],
  flops: ([x]) => 10 * elements(x.shape),
};

/** Checks what an operation that drops takes. */
export function checkDropout(operation: string, rng: TensorType, { p, stream }: DropoutAttributes): void {
  finite(`p of ${operation}`, p, 0, LARGEST_P);
  integer(`stream of ${operation}`, stream, 0, 0xffffffff);
  expectShape(operation, 'rng', rng, [4], '[seed low, seed high, step, 0]');
}

/** What dropout multiplies element e by: 0 or 1/(1 − p). */
export function dropoutFactors(rng: Value, { p, stream }: DropoutAttributes): (e: number) => number {
  const [key0, key1, step] = rng.data;
  const threshold = Math.floor(p * 0x10000 + 0.5);
  const factor = Math.fround(0x10000 / (0x10000 - threshold));
  const words = new Uint32Array(4);
  let drawn = -1;
  return (e) => {
    const block = Math.floor(e / 8);
    if (block !== drawn) {
      philox4x32(block % 0x100000000, Math.floor(block / 0x100000000), stream, step, key0, key1, words);
      drawn = block;
    }
    const word = words[(e % 8) >> 1];
    const bits = e % 2 === 0 ? word & 0xffff : word >>> 16;
    return bits < threshold ? 0 : factor;
  };
}

/** @param stream the default is one that no other dropout of the graph has. */
export function dropout(x: Tensor, rng: Tensor, options: { p: number; stream?: number }): Tensor {
  checkOptions('dropout', options, ['p', 'stream']);
  const { p, stream } = options;
  return x.graph.apply(dropoutOperation, [x, rng], { p, stream: stream ?? x.graph.nextStream() })[0];
}
