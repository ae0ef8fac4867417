import { invalid } from '../core/errors.js';
import { attention, type Tensor } from '../graph/index.js';
import { Linear } from './linear.js';
import { Module } from './module.js';

/**
 * Multi-head self-attention with one packed projection qkv and an output projection: (B, T, width) → (B, T, width).
 * Starts as PyTorch's nn.MultiheadAttention: qkv Xavier uniform over the packed (3·width, width), biases zero.
 */
export class SelfAttention extends Module {
  readonly qkv;
  readonly projection;

  constructor(
    readonly width: number,
    readonly heads: number,
    readonly causal: boolean,
  ) {
    super();
    if (width % heads !== 0) throw invalid('width of attention', `a multiple of heads = ${heads}`, width);
    this.qkv = this.child(
      'qkv',
      new Linear(width, 3 * width, {
        weightInit: { kind: 'xavier', fanIn: width, fanOut: 3 * width },
        biasInit: { kind: 'zeros' },
      }),
    );
    this.projection = this.child('projection', new Linear(width, width, { biasInit: { kind: 'zeros' } }));
  }

  forward(x: Tensor): Tensor {
    return this.projection.forward(attention(this.qkv.forward(x), { heads: this.heads, causal: this.causal }));
  }
}
