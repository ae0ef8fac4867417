import { selectStep, type Tensor } from '../graph/index.js';
import { Conv1d, Dropout, type ForwardOptions, Module } from '../nn/index.js';
import { FORECAST_DEFAULTS, ForecastModel, type ForecastOptions, forecastOptions } from './forecast-model.js';

export interface TcnModelOptions extends ForecastOptions {
  channels?: number;
  /** Residual blocks; the dilation doubles from one to the next. */
  layers?: number;
  /** Steps that a convolution sees. */
  kernel?: number;
}

export const TCN_MODEL_DEFAULTS: Readonly<Required<TcnModelOptions>> = {
  ...FORECAST_DEFAULTS,
  channels: 64,
  layers: 6,
  kernel: 3,
};

/**
 * A residual block of a temporal convolutional network (Bai, Kolter & Koltun 2018, arXiv:1803.01271, figure 1b): twice a causal dilated
 * convolution with weight normalisation, ReLU, dropout; added to the input (through a convolution of one tap where the channels change); ReLU.
 */
class TcnBlock extends Module {
  readonly first;
  readonly second;
  readonly skip;
  readonly dropout;

  constructor(inputs: number, channels: number, kernel: number, dilation: number, dropout: number) {
    super();
    const options = { dilation, causal: true, weightNorm: true };
    this.first = this.child('first', new Conv1d(inputs, channels, kernel, options));
    this.second = this.child('second', new Conv1d(channels, channels, kernel, options));
    this.skip = inputs === channels ? undefined : this.child('skip', new Conv1d(inputs, channels, 1));
    this.dropout = this.child('dropout', new Dropout(dropout));
  }

  forward(x: Tensor, options: ForwardOptions): Tensor {
    const once = this.dropout.forward(this.first.forward(x).relu(), options);
    const twice = this.dropout.forward(this.second.forward(once).relu(), options);
    return twice.add(this.skip === undefined ? x : this.skip.forward(x)).relu();
  }
}

/**
 * A temporal convolutional network: `layers` residual blocks with dilations 1, 2, 4 …, a head a horizon over the last step. The last
 * step sees 1 + 2·(kernel − 1)·(2^layers − 1) steps back: 253 with the defaults.
 */
export class TcnModel extends ForecastModel<TcnModelOptions> {
  readonly blocks;
  readonly outputs;

  constructor(options: TcnModelOptions = {}) {
    super(forecastOptions('TcnModel', options, TCN_MODEL_DEFAULTS));
    const { features, channels, layers, kernel, dropout } = this.options;
    this.blocks = this.children(
      'blocks',
      Array.from({ length: layers }, (_, i) => {
        return new TcnBlock(i === 0 ? features : channels, channels, kernel, 2 ** i, dropout);
      }),
    );
    this.outputs = this.heads(channels);
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    this.checkWindow(x);
    const y = this.blocks.reduce((z, block) => block.forward(z, options), x);
    const last = selectStep(y, -1);
    return this.outputs.map((head) => head.forward(last, options));
  }
}
