import { finite } from '../core/options.js';
import { dropout, type Tensor } from '../graph/index.js';
import { Module } from './module.js';

/** What a forward pass needs besides its operand. */
export interface ForwardOptions {
  /** uint32 (4) [seed low, seed high, step, 0]. Present: training, dropout is on. Absent: prediction. */
  rng?: Tensor;
}

/** Drops elements with probability p while training; does nothing else. */
export class Dropout extends Module {
  constructor(readonly p: number) {
    super();
    finite('dropout', p, 0, 0.999);
  }

  forward(x: Tensor, { rng }: ForwardOptions = {}): Tensor {
    return rng === undefined || this.p === 0 ? x : dropout(x, rng, { p: this.p });
  }
}
