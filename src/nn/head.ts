import type { Tensor } from '../graph/index.js';
import { Dropout, type ForwardOptions } from './dropout.js';
import { LayerNorm } from './layer-norm.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import { type Regression, ReturnHead } from './return-head.js';

/**
 * A classifier over one vector: for each hidden size Linear, LayerNorm, ReLU, dropout; then Linear to the logits.
 * (B, width) → (B, classes). With regression a `ReturnHead` over the last hidden columns tells of the return to whoever asks for it; the
 * logits do not depend on it.
 */
export class ClassifierHead extends Module {
  readonly layers;
  readonly norms;
  readonly dropout;
  readonly logits;
  readonly returns;

  constructor(
    width: number,
    hidden: readonly number[],
    classes: number,
    dropout: number,
    regression: Regression = 'none',
  ) {
    super();
    const sizes = [width, ...hidden];
    this.layers = this.children(
      'layers',
      hidden.map((size, i) => new Linear(sizes[i], size)),
    );
    this.norms = this.children(
      'norms',
      hidden.map((size) => new LayerNorm(size)),
    );
    this.dropout = this.child('dropout', new Dropout(dropout));
    this.logits = this.child('logits', new Linear(sizes[hidden.length], classes));
    this.returns =
      regression === 'none' ? undefined : this.child('returns', new ReturnHead(sizes[hidden.length], regression));
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor {
    let y = x;
    for (const [i, layer] of this.layers.entries()) {
      y = this.dropout.forward(this.norms[i].forward(layer.forward(y)).relu(), options);
    }
    if (this.returns !== undefined && options.returns !== undefined) options.returns.push(this.returns.forward(y));
    return this.logits.forward(y);
  }
}
