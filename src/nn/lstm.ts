import { integer } from '../core/options.js';
import { lstm, type Tensor } from '../graph/index.js';
import { Dropout, type ForwardOptions } from './dropout.js';
import { Module } from './module.js';

/** One layer of nn.LSTM: (B, T, inputs) → (B, T, hidden). All weights and both biases start uniform in ±1/√hidden. */
export class LstmLayer extends Module {
  readonly inputWeight;
  readonly hiddenWeight;
  readonly inputBias;
  readonly hiddenBias;

  constructor(
    readonly inputs: number,
    readonly hidden: number,
  ) {
    super();
    const init = { kind: 'kaiming', fanIn: hidden } as const;
    this.inputWeight = this.parameter('inputWeight', [4 * hidden, inputs], init, { decay: true });
    this.hiddenWeight = this.parameter('hiddenWeight', [4 * hidden, hidden], init, { decay: true });
    this.inputBias = this.parameter('inputBias', [4 * hidden], init);
    this.hiddenBias = this.parameter('hiddenBias', [4 * hidden], init);
  }

  forward(x: Tensor): Tensor {
    const { graph } = x;
    return lstm(x, {
      wHidden: this.hiddenWeight.in(graph),
      wInput: this.inputWeight.in(graph),
      bias: this.inputBias.in(graph).add(this.hiddenBias.in(graph)),
    });
  }
}

/** A stack of LSTM layers with dropout between them: (B, T, inputs) → (B, T, hidden). */
export class Lstm extends Module {
  readonly layers;
  readonly dropout;

  constructor(inputs: number, hidden: number, { layers = 1, dropout = 0 }: { layers?: number; dropout?: number } = {}) {
    super();
    integer('layers of an LSTM', layers, 1);
    this.layers = this.children(
      'layers',
      Array.from({ length: layers }, (_, i) => new LstmLayer(i === 0 ? inputs : hidden, hidden)),
    );
    this.dropout = this.child('dropout', new Dropout(dropout));
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor {
    return this.layers.reduce((y, layer, i) => layer.forward(i === 0 ? y : this.dropout.forward(y, options)), x);
  }
}
