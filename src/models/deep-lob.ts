import { invalid } from '../core/errors.js';
import {
  concat,
  leakyRelu,
  maxPool2d,
  selectStep,
  slice,
  type Tensor,
  tanh,
  type WindowOptions,
} from '../graph/index.js';
import { BatchNorm, Conv2d, Dropout, type ForwardOptions, Linear, LstmLayer, Module } from '../nn/index.js';
import { FORECAST_DEFAULTS, ForecastModel, type ForecastOptions, forecastOptions } from './forecast-model.js';

export interface DeepLobOptions extends ForecastOptions {
  /** Levels of the book: the model reads the first 4 · levels features, ask price, ask size, bid price, bid size of each level. */
  levels?: number;
}

export const DEEP_LOB_DEFAULTS: Readonly<Required<DeepLobOptions>> = {
  ...FORECAST_DEFAULTS,
  features: 40,
  dropout: 0,
  levels: 10,
};

type Activation = (x: Tensor) => Tensor;
const leaky: Activation = (x) => leakyRelu(x, { slope: 0.01 });

/** A convolution, its activation, and batch normalisation. */
class ConvolutionUnit extends Module {
  readonly convolution;
  readonly norm;

  constructor(
    inputs: number,
    outputs: number,
    kernel: [number, number],
    readonly activation: Activation,
    window: WindowOptions = {},
  ) {
    super();
    this.convolution = this.child('convolution', new Conv2d(inputs, outputs, kernel, window));
    this.norm = this.child('norm', new BatchNorm(outputs));
  }

  forward(x: Tensor, options: ForwardOptions): Tensor {
    return this.norm.forward(this.activation(this.convolution.forward(x)), options);
  }
}

/** Three branches over the same steps, side by side: 1 then 3 steps, 1 then 5 steps, the largest of 3 steps then 1. */
class Inception extends Module {
  readonly short;
  readonly long;
  readonly pooled;

  constructor(inputs: number, outputs: number) {
    super();
    const unit = (from: number, steps: number) => {
      const around = (steps - 1) / 2;
      return new ConvolutionUnit(from, outputs, [steps, 1], leaky, { padding: [around, around, 0, 0] });
    };
    this.short = this.children('short', [unit(inputs, 1), unit(outputs, 3)]);
    this.long = this.children('long', [unit(inputs, 1), unit(outputs, 5)]);
    this.pooled = this.child('pooled', unit(inputs, 1));
  }

  forward(x: Tensor, options: ForwardOptions): Tensor {
    const through = (units: readonly ConvolutionUnit[]) => units.reduce((y, unit) => unit.forward(y, options), x);
    const largest = maxPool2d(x, [3, 1], { padding: [1, 1, 0, 0] });
    return concat([through(this.short), through(this.long), this.pooled.forward(largest, options)]);
  }
}

/**
 * DeepLOB (Zhang, Zohren & Roberts 2019, IEEE Transactions on Signal Processing 67, arXiv:1808.03668) in the layout of its authors'
 * published implementation: three blocks of convolutions, first over price and size, then over ask and bid, then over all levels, each with
 * two over four steps; an inception module; an LSTM of 64; a linear layer a horizon. 143,907 parameters with one horizon and 10 levels.
 */
export class DeepLob extends ForecastModel<DeepLobOptions> {
  readonly blocks;
  readonly inception;
  readonly lstm;
  readonly dropout;
  readonly outputs;
  readonly returns;

  constructor(options: DeepLobOptions = {}) {
    super(forecastOptions('DeepLob', options, DEEP_LOB_DEFAULTS));
    const { features, steps, levels, horizons, classes, dropout } = this.options;
    if (features < 4 * levels) throw invalid('features', `at least 4 · levels = ${4 * levels}`, features);
    if (steps < 19) throw invalid('steps', 'at least 19, what the convolutions span', steps);
    const pairs = { stride: [1, 2] } as const;
    const block = (inputs: number, width: number, activation: Activation, window: WindowOptions) => [
      new ConvolutionUnit(inputs, 32, [1, width], activation, window),
      new ConvolutionUnit(32, 32, [4, 1], activation),
      new ConvolutionUnit(32, 32, [4, 1], activation),
    ];
    this.blocks = this.children('blocks', [
      ...block(1, 2, leaky, pairs),
      ...block(32, 2, tanh, pairs),
      ...block(32, levels, leaky, {}),
    ]);
    this.inception = this.child('inception', new Inception(32, 64));
    this.lstm = this.child('lstm', new LstmLayer(192, 64));
    this.dropout = this.child('dropout', new Dropout(dropout));
    this.outputs = this.children(
      'outputs',
      Array.from({ length: horizons }, () => new Linear(64, classes)),
    );
    this.returns = this.returnHeads(64);
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    this.checkWindow(x);
    const { steps, levels } = this.options;
    const batch = x.shape[0];
    const book = slice(x, { start: 0, length: 4 * levels }).reshape([batch, steps, 4 * levels, 1]);
    const convolved = this.blocks.reduce((y, unit) => unit.forward(y, options), book);
    const mixed = this.inception.forward(convolved, options);
    const states = this.lstm.forward(mixed.reshape([batch, mixed.shape[1], 192]));
    const last = this.dropout.forward(selectStep(states, -1), options);
    options.returns?.push(...this.returns.map((head) => head.forward(last)));
    return this.outputs.map((output) => output.forward(last));
  }
}
