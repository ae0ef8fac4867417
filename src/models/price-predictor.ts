import { invalid } from '../core/errors.js';
import { checkOptions, finite, integer } from '../core/options.js';
import { selectStep, type Tensor } from '../graph/index.js';
import {
  addPositions,
  ClassifierHead,
  EncoderLayer,
  type ForwardOptions,
  LayerNorm,
  Linear,
  Module,
} from '../nn/index.js';

export interface PricePredictorOptions {
  /** Columns of a step: what is known at one moment. */
  features?: number;
  /** Length of a window. */
  steps?: number;
  dModel?: number;
  heads?: number;
  layers?: number;
  /** Hidden columns of the feed-forward. */
  feedForward?: number;
  /** One head each. */
  horizons?: number;
  /** Down, flat, up. */
  classes?: number;
  dropout?: number;
}

export const PRICE_PREDICTOR_DEFAULTS: Readonly<Required<PricePredictorOptions>> = {
  features: 6,
  steps: 100,
  dModel: 128,
  heads: 4,
  layers: 3,
  feedForward: 1024,
  horizons: 3,
  classes: 3,
  dropout: 0.1,
};

/**
 * The price predictor: a window of features to the logits of down, flat and up for several horizons.
 *
 *   Linear features → dModel, sinusoidal positions, `layers` causal pre-norm encoder layers, LayerNorm, the last step; for each
 *   horizon Linear dModel → dModel/2, LayerNorm, ReLU, dropout, Linear → dModel/4, LayerNorm, ReLU, dropout, Linear → classes.
 *
 * With the defaults 896 + 3 · 329,856 + 256 + 3 · 10,627 = 1,022,601 parameters.
 */
export class PricePredictor extends Module {
  readonly options: Readonly<Required<PricePredictorOptions>>;
  readonly embedding;
  readonly encoder;
  readonly norm;
  readonly heads;

  constructor(options: PricePredictorOptions = {}) {
    super();
    const o = checked(options);
    this.options = o;
    this.embedding = this.child('embedding', new Linear(o.features, o.dModel));
    const { dModel: width, heads, feedForward, dropout } = o;
    this.encoder = this.children(
      'encoder',
      Array.from({ length: o.layers }, () => new EncoderLayer({ width, heads, feedForward, dropout, causal: true })),
    );
    this.norm = this.child('norm', new LayerNorm(width));
    this.heads = this.children(
      'heads',
      Array.from({ length: o.horizons }, () => new ClassifierHead(width, [width / 2, width / 4], o.classes, dropout)),
    );
  }

  /**
   * @param x (B, steps, features).
   * @returns one (B, classes) tensor of logits a horizon.
   */
  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    const { features, steps } = this.options;
    const [, t, f] = x.shape;
    if (x.shape.length !== 3 || t !== steps || f !== features) {
      throw invalid('x of PricePredictor', `shape (B, ${steps}, ${features})`, x.shape, 'SHAPE');
    }
    let y = addPositions(this.embedding.forward(x));
    for (const layer of this.encoder) y = layer.forward(y, options);
    const last = selectStep(this.norm.forward(y), -1);
    return this.heads.map((head) => head.forward(last, options));
  }
}

function checked(options: PricePredictorOptions): Required<PricePredictorOptions> {
  checkOptions('PricePredictor', options, Object.keys(PRICE_PREDICTOR_DEFAULTS));
  const o = { ...PRICE_PREDICTOR_DEFAULTS, ...options };
  for (const [name, value] of Object.entries(o)) if (name !== 'dropout') integer(name, value, 1);
  finite('dropout', o.dropout, 0, 0.999);
  if (o.dModel % 4 !== 0) throw invalid('dModel', 'a multiple of 4 (the heads halve it twice)', o.dModel);
  if (o.dModel % o.heads !== 0) throw invalid('dModel', `a multiple of heads = ${o.heads}`, o.dModel);
  return o;
}
