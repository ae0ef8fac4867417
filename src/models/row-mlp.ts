import { selectStep, type Tensor } from '../graph/index.js';
import { Dropout, FeedForward, type ForwardOptions, LayerNorm, Linear, Module } from '../nn/index.js';
import { FORECAST_DEFAULTS, ForecastModel, type ForecastOptions, forecastOptions } from './forecast-model.js';

export interface RowMlpOptions extends ForecastOptions {
  width?: number;
  /** Hidden columns of a block. */
  hidden?: number;
  /** Residual blocks. */
  layers?: number;
}

export const ROW_MLP_DEFAULTS: Readonly<Required<RowMlpOptions>> = {
  ...FORECAST_DEFAULTS,
  width: 128,
  hidden: 512,
  layers: 2,
};

/** x + dropout(feedForward(norm(x))): (B, width) → (B, width). */
class RowBlock extends Module {
  readonly norm;
  readonly feedForward;
  readonly dropout;

  constructor(width: number, hidden: number, dropout: number) {
    super();
    this.norm = this.child('norm', new LayerNorm(width));
    this.feedForward = this.child('feedForward', new FeedForward(width, hidden, dropout));
    this.dropout = this.child('dropout', new Dropout(dropout));
  }

  forward(x: Tensor, options: ForwardOptions): Tensor {
    return x.add(this.dropout.forward(this.feedForward.forward(this.norm.forward(x), options), options));
  }
}

/**
 * A residual perceptron over the last row of the window alone: for features that tell the past themselves. Linear features → width,
 * `layers` pre-norm blocks, LayerNorm, a head a horizon. Source: the ResNet of Gorishniy et al. 2021, "Revisiting Deep Learning Models for
 * Tabular Data", §3.2, with the norm and activation of a transformer.
 */
export class RowMlp extends ForecastModel<RowMlpOptions> {
  readonly embedding;
  readonly blocks;
  readonly norm;
  readonly outputs;

  constructor(options: RowMlpOptions = {}) {
    super(forecastOptions('RowMlp', options, ROW_MLP_DEFAULTS));
    const { features, width, hidden, layers, dropout } = this.options;
    this.embedding = this.child('embedding', new Linear(features, width));
    this.blocks = this.children(
      'blocks',
      Array.from({ length: layers }, () => new RowBlock(width, hidden, dropout)),
    );
    this.norm = this.child('norm', new LayerNorm(width));
    this.outputs = this.heads(width);
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    this.checkWindow(x);
    const first = this.embedding.forward(selectStep(x, -1));
    const last = this.norm.forward(this.blocks.reduce((y, block) => block.forward(y, options), first));
    return this.outputs.map((head) => head.forward(last, options));
  }
}
