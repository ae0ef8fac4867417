import type { Tensor } from '../graph/index.js';
import { Dropout, type ForwardOptions } from './dropout.js';
import { Linear } from './linear.js';
import { Module } from './module.js';

/** contract(dropout(gelu(expand(x)))): (…, width) → (…, width) by way of `hidden` columns. */
export class FeedForward extends Module {
  readonly expand;
  readonly contract;
  readonly dropout;

  constructor(width: number, hidden: number, dropout: number) {
    super();
    this.expand = this.child('expand', new Linear(width, hidden));
    this.contract = this.child('contract', new Linear(hidden, width));
    this.dropout = this.child('dropout', new Dropout(dropout));
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor {
    return this.contract.forward(this.dropout.forward(this.expand.forward(x).gelu(), options));
  }
}
