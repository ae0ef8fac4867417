import { linear, type Tensor } from '../graph/index.js';
import { Module } from './module.js';
import type { Init } from './parameter.js';

/** y = x·weightᵀ + bias: (…, inputs) → (…, outputs). Starts as PyTorch's nn.Linear, unless given otherwise. */
export class Linear extends Module {
  readonly weight;
  readonly bias;

  constructor(
    readonly inputs: number,
    readonly outputs: number,
    { weightInit, biasInit }: { weightInit?: Init; biasInit?: Init } = {},
  ) {
    super();
    const init: Init = { kind: 'kaiming', fanIn: inputs };
    this.weight = this.parameter('weight', [outputs, inputs], weightInit ?? init, { decay: true });
    this.bias = this.parameter('bias', [outputs], biasInit ?? init);
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight.in(x.graph), this.bias.in(x.graph));
  }
}
