import { checkOptions, integer } from '../core/options.js';
import { embedding, type Tensor } from '../graph/index.js';
import { Module } from './module.js';

/**
 * A learnt vector for each of `count` indices: int32 (…) → (…, width), as torch.nn.Embedding. Starts standard normal; the row `padding`, where
 * there is one, starts at zero and takes no gradient. Weight decay leaves the table alone: rows that no batch looks up would fade.
 */
export class Embedding extends Module {
  readonly weight;
  readonly padding: number | undefined;

  /** @param options.padding an index in 0 … count − 1; default: none. */
  constructor(
    readonly count: number,
    readonly width: number,
    options: { padding?: number } = {},
  ) {
    super();
    checkOptions('Embedding', options, ['padding']);
    integer('count of Embedding', count, 1);
    integer('width of Embedding', width, 1);
    const { padding } = options;
    if (padding !== undefined) integer('padding of Embedding', padding, 0, count - 1);
    this.padding = padding;
    this.weight = this.parameter('weight', [count, width], { kind: 'normal', std: 1, zeroRow: padding });
  }

  /** @param indices int32; one outside 0 … count − 1 gives a row of NaN. */
  forward(indices: Tensor): Tensor {
    const options = this.padding === undefined ? {} : { padding: this.padding };
    return embedding(this.weight.in(indices.graph), indices, options);
  }
}
