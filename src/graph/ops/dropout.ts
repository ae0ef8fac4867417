import { checkOptions, finite, integer } from '../../core/options.js';
import { philox4x32 } from '../../core/philox.js';
import type { Tensor } from '../ir.js';
import { elements, f32, type Operation } from '../operation.js';
import { expectShape } from '../shape.js';

/** Above it ⌊p·2³²⌋ and 1/(1 − p) are no longer sensible numbers. */
const LARGEST_P = 0.9999;

/**
 * Each element is dropped with probability p, else multiplied by 1/(1 − p) (inverted dropout, Srivastava et al. 2014).
 * x (…), rng uint32 (4) = [seed low, seed high, step, 0] → y (…).
 *
 * The random bits of element e are lane e mod 4 of Philox4x32-10 with key (rng[0], rng[1]) and counter (b low, b high, stream,
 * rng[2]), b = ⌊e/4⌋; the element is dropped if they are below ⌊p·2³²⌋. The mask is never stored: the gradient is the
 * same operation on dy. Training only, no ONNX form.
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
    const threshold = Math.floor(p * 0x100000000);
    const factor = Math.fround(1 / (1 - p));
    const bits = new Uint32Array(4);
    for (let e = 0; e < y.data.length; e++) {
      if (e % 4 === 0) {
        const block = e / 4;
        philox4x32(block % 0x100000000, Math.floor(block / 0x100000000), stream, step, key0, key1, bits);
      }
      y.data[e] = bits[e % 4] < threshold ? 0 : x.data[e] * factor;
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
