import { invalid } from '../core/errors.js';
import { checkOptions, finite, integer, oneOf } from '../core/options.js';
import { alibiSlopes, type RotaryLayout, selectStep, type Tensor } from '../graph/index.js';
import {
  addPositions,
  ClassifierHead,
  dropPathRates,
  EncoderLayer,
  type ForwardOptions,
  LayerNorm,
  LearnedPositions,
  Linear,
  Module,
  multiScaleHeads,
  REGRESSIONS,
  type Regression,
} from '../nn/index.js';

/** How a model knows which step is which: see `addPositions`, `LearnedPositions`, `rotary`, `alibiSlopes`. */
export type Positions = 'sinusoidal' | 'learned' | 'rotary' | 'rotaryInterleaved' | 'alibi' | 'none';
export const POSITIONS = [
  ...(['sinusoidal', 'learned', 'rotary', 'rotaryInterleaved', 'alibi', 'none'] as const),
] as const satisfies readonly Positions[];

/** Which columns of a head turn together: its halves, as in GPT-NeoX and Llama, or neighbours, as in the paper. */
const ROTARY: Readonly<Partial<Record<Positions, { layout: RotaryLayout }>>> = {
  rotary: { layout: 'half' },
  rotaryInterleaved: { layout: 'interleaved' },
};

/** 'multiScale': the heads look at horizons of their own, see `multiScaleHeads`. */
export type AttentionKind = 'full' | 'multiScale';
export const ATTENTIONS = ['full', 'multiScale'] as const satisfies readonly AttentionKind[];

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
  /** Of the attention weights. */
  attentionDropout?: number;
  /** What the heads tell of the return beside the class; learned with `train`'s option of the same name. */
  regression?: Regression;
  /** Stochastic depth of the last layer; that of the others rises to it linearly. */
  dropPath?: number;
  positions?: Positions;
  attention?: AttentionKind;
  /** Experts of a mixture in place of each feed-forward; 0: none. */
  experts?: number;
  /** Experts that a step uses. */
  topExperts?: number;
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
  attentionDropout: 0,
  regression: 'none',
  dropPath: 0,
  positions: 'sinusoidal',
  attention: 'full',
  experts: 0,
  topExperts: 2,
};

/**
 * The price predictor: a window of features to the logits of down, flat and up for several horizons.
 *
 *   Linear features → dModel, positions, `layers` causal pre-norm encoder layers, LayerNorm, the last step; for each
 *   horizon Linear dModel → dModel/2, LayerNorm, ReLU, dropout, Linear → dModel/4, LayerNorm, ReLU, dropout, Linear → classes.
 *
 * Positions are sinusoidal by default; learned ones have steps · dModel parameters more, the others none.
 * With the defaults 896 + 3 · 329,856 + 256 + 3 · 10,627 = 1,022,601 parameters.
 */
export class PricePredictor extends Module {
  readonly options: Readonly<Required<PricePredictorOptions>>;
  readonly embedding;
  readonly positions;
  readonly encoder;
  readonly norm;
  readonly heads;

  constructor(options: PricePredictorOptions = {}) {
    super();
    const o = checked(options);
    this.options = o;
    this.embedding = this.child('embedding', new Linear(o.features, o.dModel));
    this.positions =
      o.positions === 'learned' ? this.child('positions', new LearnedPositions(o.steps, o.dModel)) : undefined;
    const { dModel: width, heads, feedForward, dropout, attentionDropout } = o;
    const layer = {
      width,
      heads,
      feedForward,
      dropout,
      attentionDropout,
      causal: true,
      rotary: ROTARY[o.positions],
      alibi: o.positions === 'alibi' ? alibiSlopes(heads) : undefined,
      ...(o.attention === 'multiScale' && multiScaleHeads(heads, o.steps)),
      experts: o.experts > 0 ? { experts: o.experts, topK: o.topExperts } : undefined,
    };
    this.encoder = this.children(
      'encoder',
      dropPathRates(o.layers, o.dropPath).map((dropPath) => new EncoderLayer({ ...layer, dropPath })),
    );
    this.norm = this.child('norm', new LayerNorm(width));
    this.heads = this.children(
      'heads',
      Array.from(
        { length: o.horizons },
        () => new ClassifierHead(width, [width / 2, width / 4], o.classes, dropout, o.regression),
      ),
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
    let y = this.#place(this.embedding.forward(x));
    for (const layer of this.encoder) y = layer.forward(y, options);
    const last = selectStep(this.norm.forward(y), -1);
    return this.heads.map((head) => head.forward(last, options));
  }

  #place(x: Tensor): Tensor {
    if (this.positions !== undefined) return this.positions.forward(x);
    return this.options.positions === 'sinusoidal' ? addPositions(x) : x;
  }
}

function checked(options: PricePredictorOptions): Required<PricePredictorOptions> {
  checkOptions('PricePredictor', options, Object.keys(PRICE_PREDICTOR_DEFAULTS));
  const o = { ...PRICE_PREDICTOR_DEFAULTS, ...options };
  const { dropout, attentionDropout, regression, dropPath, positions, attention, experts, ...sizes } = o;
  for (const [name, value] of Object.entries(sizes)) integer(name, value, 1);
  integer('experts', experts, 0);
  if (experts > 0 && o.topExperts > experts) throw invalid('topExperts', `at most experts = ${experts}`, o.topExperts);
  finite('dropout', dropout, 0, 0.999);
  finite('attentionDropout', attentionDropout, 0, 0.999);
  finite('dropPath', dropPath, 0, 0.999);
  oneOf('positions', positions, POSITIONS);
  oneOf('regression', regression, REGRESSIONS);
  oneOf('attention', attention, ATTENTIONS);
  if (o.dModel % 4 !== 0) throw invalid('dModel', 'a multiple of 4 (the heads halve it twice)', o.dModel);
  if (o.dModel % o.heads !== 0) throw invalid('dModel', `a multiple of heads = ${o.heads}`, o.dModel);
  if (ROTARY[positions] !== undefined && (o.dModel / o.heads) % 2 !== 0) {
    throw invalid('dModel', `a multiple of 2 · heads = ${2 * o.heads} for rotary positions`, o.dModel);
  }
  return o;
}
