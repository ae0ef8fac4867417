import { invalid } from '../core/errors.js';
import { finite } from '../core/options.js';
import { type AttentionPattern, attention, type RotaryLayout, rotary, type Tensor } from '../graph/index.js';
import type { ForwardOptions } from './dropout.js';
import { Linear } from './linear.js';
import { Module } from './module.js';

export interface SelfAttentionOptions extends AttentionPattern {
  width: number;
  heads: number;
  /** A step sees itself and earlier ones. */
  causal: boolean;
  /** Turns queries and keys by their step's angle (RoPE). `base` defaults to 10000, `layout` to 'half'. */
  rotary?: { base?: number; layout?: RotaryLayout };
  /** Probability that a query does without a key while training: dropout of the softmax weights. Default 0. */
  dropout?: number;
}

/**
 * Multi-head self-attention with one packed projection qkv and an output projection: (B, T, width) → (B, T, width).
 * With `windows`, `strides` and `alibi`, one number a head, the heads look at horizons of their own.
 * Starts as PyTorch's nn.MultiheadAttention: qkv Xavier uniform over the packed (3·width, width), biases zero.
 */
export class SelfAttention extends Module {
  readonly qkv;
  readonly projection;

  constructor(readonly options: SelfAttentionOptions) {
    super();
    const { width, heads, rotary: turned, dropout = 0 } = options;
    finite('dropout of attention', dropout, 0, 0.999);
    if (width % heads !== 0) throw invalid('width of attention', `a multiple of heads = ${heads}`, width);
    if (turned !== undefined && (width / heads) % 2 !== 0) {
      throw invalid('width of rotary attention', `a multiple of 2 · heads = ${2 * heads}`, width);
    }
    this.qkv = this.child(
      'qkv',
      new Linear(width, 3 * width, {
        weightInit: { kind: 'xavier', fanIn: width, fanOut: 3 * width },
        biasInit: { kind: 'zeros' },
      }),
    );
    this.projection = this.child('projection', new Linear(width, width, { biasInit: { kind: 'zeros' } }));
  }

  forward(x: Tensor, { rng }: ForwardOptions = {}): Tensor {
    const { heads, causal, windows, strides, alibi, rotary: turned, dropout: p = 0 } = this.options;
    const packed = this.qkv.forward(x);
    const qkv = turned === undefined ? packed : rotary(packed, { heads, ...turned });
    const dropout = rng === undefined || p === 0 ? undefined : { p, rng };
    return this.projection.forward(attention(qkv, { heads, causal, windows, strides, alibi, dropout }));
  }
}

/**
 * Horizons of the heads of a layer over `steps` steps, in turn: all steps, the last quarter, the last sixteenth, every fourth step. Heads that
 * look near cost less.
 */
export function multiScaleHeads(heads: number, steps: number): { windows: number[]; strides: number[] } {
  const each = (scales: readonly number[]) => Array.from({ length: heads }, (_, head) => scales[head % scales.length]);
  const part = (share: number) => Math.max(2, Math.ceil(steps / share));
  return { windows: each([0, part(4), part(16), 0]), strides: each([1, 1, 1, 4]) };
}
