import type { Tensor } from '../graph/index.js';
import { BilinearLayer, BilinearNorm, Dropout, type ForwardOptions, TemporalAttentionBilinear } from '../nn/index.js';
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

  constructor(options: BinCtablOptions = {}) {
    super(forecastOptions('BinCtabl', options, BIN_CTABL_DEFAULTS));
    const { features, steps, hidden, hiddenSteps, horizons, classes, dropout } = this.options;
    const halved = Math.ceil(hiddenSteps / 2);
    this.norm = this.child('norm', new BilinearNorm(steps, features));
    this.layers = this.children('layers', [
      new BilinearLayer({ steps, features, outSteps: hiddenSteps, outFeatures: hidden }),
      new BilinearLayer({ steps: hiddenSteps, features: hidden, outSteps: halved, outFeatures: 2 * hidden }),
    ]);
    this.dropout = this.child('dropout', new Dropout(dropout));
    const sizes = { steps: halved, features: 2 * hidden, outSteps: 1, outFeatures: classes };
    this.outputs = this.children(
      'outputs',
      Array.from({ length: horizons }, () => new TemporalAttentionBilinear(sizes)),
    );
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    this.checkWindow(x);
    const { classes } = this.options;
    let y = this.norm.forward(x);
    for (const layer of this.layers) y = this.dropout.forward(layer.forward(y).relu(), options);
    return this.outputs.map((output) => output.forward(y).reshape([x.shape[0], classes]));
  }
}
