import type { Tensor } from '../graph/index.js';
import {
  BilinearLayer,
  BilinearNorm,
  type BilinearSizes,
  Dropout,
  type ForwardOptions,
  Module,
  RETURN_QUANTILES,
  type ReturnForecast,
  TemporalAttentionBilinear,
} from '../nn/index.js';
import { FORECAST_DEFAULTS, ForecastModel, type ForecastOptions, forecastOptions } from './forecast-model.js';

export interface BinCtablOptions extends ForecastOptions {
  /** Features after the first bilinear layer; the second has twice as many. */
  hidden?: number;
  /** Steps after the first bilinear layer; the second has half as many. */
  hiddenSteps?: number;
}

export const BIN_CTABL_DEFAULTS: Readonly<Required<BinCtablOptions>> = {
  ...FORECAST_DEFAULTS,
  hidden: 60,
  hiddenSteps: 10,
};

/** Location and quantiles of a return, each by a bilinear layer with temporal attention of its own: (B, T, D). */
class TemporalReturnHead extends Module {
  readonly location;
  readonly quantiles;

  constructor(sizes: Omit<BilinearSizes, 'outFeatures'>, regression: 'location' | 'quantiles') {
    super();
    const layer = (outFeatures: number) => new TemporalAttentionBilinear({ ...sizes, outFeatures });
    this.location = this.child('location', layer(1));
    this.quantiles = regression === 'quantiles' ? this.child('quantiles', layer(RETURN_QUANTILES.length)) : undefined;
  }

  forward(x: Tensor): ReturnForecast {
    const [batch] = x.shape;
    const quantiles = this.quantiles?.forward(x).reshape([batch, RETURN_QUANTILES.length]);
    return { location: this.location.forward(x).reshape([batch, 1]), ...(quantiles && { quantiles }) };
  }
}

/**
 * BiN-CTABL (Tran et al. 2018, arXiv:1712.00975, network C; bilinear normalisation: Tran et al. 2021, arXiv:2003.00598): the window is
 * normalised along both axes, then two bilinear layers with ReLU (hidden × hiddenSteps, 2·hidden × hiddenSteps/2), then for each horizon
 * a bilinear layer with temporal attention to the classes.
 */
export class BinCtabl extends ForecastModel<BinCtablOptions> {
  readonly norm;
  readonly layers;
  readonly dropout;
  readonly outputs;
  readonly returns;

  constructor(options: BinCtablOptions = {}) {
    super(forecastOptions('BinCtabl', options, BIN_CTABL_DEFAULTS));
    const { features, steps, hidden, hiddenSteps, horizons, classes, dropout, regression } = this.options;
    const halved = Math.ceil(hiddenSteps / 2);
    this.norm = this.child('norm', new BilinearNorm(steps, features));
    this.layers = this.children('layers', [
      new BilinearLayer({ steps, features, outSteps: hiddenSteps, outFeatures: hidden }),
      new BilinearLayer({ steps: hiddenSteps, features: hidden, outSteps: halved, outFeatures: 2 * hidden }),
    ]);
    this.dropout = this.child('dropout', new Dropout(dropout));
    const sizes = { steps: halved, features: 2 * hidden, outSteps: 1 };
    const each = <M extends Module>(make: () => M) => Array.from({ length: horizons }, make);
    this.outputs = this.children(
      'outputs',
      each(() => new TemporalAttentionBilinear({ ...sizes, outFeatures: classes })),
    );
    this.returns =
      regression === 'none'
        ? []
        : this.children(
            'returns',
            each(() => new TemporalReturnHead(sizes, regression)),
          );
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    this.checkWindow(x);
    const { classes } = this.options;
    let y = this.norm.forward(x);
    for (const layer of this.layers) y = this.dropout.forward(layer.forward(y).relu(), options);
    options.returns?.push(...this.returns.map((head) => head.forward(y)));
    return this.outputs.map((output) => output.forward(y).reshape([x.shape[0], classes]));
  }
}
