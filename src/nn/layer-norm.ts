import { layerNorm, type Tensor } from '../graph/index.js';
import { Module } from './module.js';

/** Normalises the last axis; learnt scale `weight` (starts at 1) and shift `bias` (starts at 0), named as in PyTorch. */
export class LayerNorm extends Module {
  readonly weight;
  readonly bias;

  constructor(
    readonly width: number,
    readonly eps = 1e-5,
  ) {
    super();
    this.weight = this.parameter('weight', [width], { kind: 'ones' });
    this.bias = this.parameter('bias', [width], { kind: 'zeros' });
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.in(x.graph), this.bias.in(x.graph), { eps: this.eps });
  }
}
