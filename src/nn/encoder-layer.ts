import type { Tensor } from '../graph/index.js';
import { SelfAttention, type SelfAttentionOptions } from './attention.js';
import { DropPath } from './drop-path.js';
import { Dropout, type ForwardOptions } from './dropout.js';
import { FeedForward } from './feed-forward.js';
import { LayerNorm } from './layer-norm.js';
import { MixtureOfExperts, type MixtureOfExpertsOptions } from './mixture-of-experts.js';
import { Module } from './module.js';

export interface EncoderLayerOptions extends Omit<SelfAttentionOptions, 'dropout'> {
  /** Columns of the feed-forward's hidden layer. */
  feedForward: number;
  dropout: number;
  /** Of the attention weights. Default 0. */
  attentionDropout?: number;
  /** Probability that a sample skips a branch, attention and feed-forward apart. Default 0. */
  dropPath?: number;
  /** A mixture of experts in place of the feed-forward, each with `feedForward` hidden columns. */
  experts?: MixtureOfExpertsOptions;
}

/**
 * A pre-norm transformer layer (Xiong et al. 2020, arXiv:2002.04745): (B, T, width) → (B, T, width)
 *   x ← x + dropPath(dropout(attention(norm1(x))));  x ← x + dropPath(dropout(feedForward(norm2(x))))
 */
export class EncoderLayer extends Module {
  readonly norm1;
  readonly attention;
  readonly norm2;
  readonly feedForward: FeedForward | MixtureOfExperts;
  readonly dropout;
  readonly dropPath;

  constructor({ feedForward, dropout, attentionDropout, dropPath = 0, experts, ...attention }: EncoderLayerOptions) {
    super();
    const { width } = attention;
    this.norm1 = this.child('norm1', new LayerNorm(width));
    this.attention = this.child('attention', new SelfAttention({ ...attention, dropout: attentionDropout }));
    this.norm2 = this.child('norm2', new LayerNorm(width));
    this.feedForward =
      experts === undefined
        ? this.child('feedForward', new FeedForward(width, feedForward, dropout))
        : this.child('feedForward', new MixtureOfExperts(width, feedForward, experts));
    this.dropout = this.child('dropout', new Dropout(dropout));
    this.dropPath = this.child('dropPath', new DropPath(dropPath));
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor {
    const branch = (y: Tensor) => this.dropPath.forward(this.dropout.forward(y, options), options);
    const attended = x.add(branch(this.attention.forward(this.norm1.forward(x), options)));
    return attended.add(branch(this.feedForward.forward(this.norm2.forward(attended), options)));
  }
}
