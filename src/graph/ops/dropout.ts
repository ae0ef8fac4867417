import { checkOptions, finite, integer } from '../../core/options.js';
import { philox4x32 } from '../../core/philox.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

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
  infer([x, rng], { p, stream }) {
    finite('p of dropout', p, 0, LARGEST_P);
    integer('stream of dropout', stream, 0, 0xffffffff);
    expectShape('dropout', 'rng', rng, [4], '[seed low, seed high, step, 0]');
    return [f32(x.shape)];
  },
  reference([x, rng], { p, stream }, [y]) {
    const [key0, key1, step] = rng.data;
    const threshold = Math.floor(p * 0x10000 + 0.5);
    const factor = Math.fround(0x10000 / (0x10000 - threshold));
    const words = new Uint32Array(4);
    for (let e = 0; e < y.data.length; e++) {
      if (e % 8 === 0) {
        const block = e / 8;
        philox4x32(block % 0x100000000, Math.floor(block / 0x100000000), stream, step, key0, key1, words);
      }
      const word = words[(e % 8) >> 1];
      const bits = e % 2 === 0 ? word & 0xffff : word >>> 16;
      y.data[e] = bits < threshold ? 0 : x.data[e] * factor;
    }
  },
  gradient: ({ inputs: [, rng], attrs }, [dy]) => [dy?.graph.apply(dropoutOperation, [dy, rng], attrs)[0], undefined],
  inPlace: () => [0],
  flops: ([x]) => 10 * elements(x.shape),
};

/** @param stream the default is one that no other dropout of the graph has. */
export function dropout(x: Tensor, rng: Tensor, options: { p: number; stream?: number }): Tensor {
  checkOptions('dropout', options, ['p', 'stream']);
  const { p, stream } = options;
  return x.graph.apply(dropoutOperation, [x, rng], { p, stream: stream ?? x.graph.nextStream() })[0];
}
