import { finite } from '../core/options.js';
import { dropPath, type Tensor } from '../graph/index.js';
import type { ForwardOptions } from './dropout.js';
import { Module } from './module.js';

/** Drops a residual branch of whole samples with probability p while training; does nothing else. */
export class DropPath extends Module {
  constructor(readonly p: number) {
    super();
    finite('dropPath', p, 0, 0.999);
  }

  forward(x: Tensor, { rng }: ForwardOptions = {}): Tensor {
    return rng === undefined || this.p === 0 ? x : dropPath(x, rng, { p: this.p });
  }
}

/**
 * Probabilities for layers 1 … L that rise linearly to `p` at the last: p_l = p · l/L.
 * Source: Huang et al. 2016, "Deep Networks with Stochastic Depth", eq. 4.
 */
export function dropPathRates(layers: number, p: number): number[] {
  finite('dropPath', p, 0, 0.999);
  return Array.from({ length: layers }, (_, i) => (p * (i + 1)) / layers);
}
