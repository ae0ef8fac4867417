import { selectStep, type Tensor } from '../graph/index.js';
import { type ForwardOptions, Linear } from '../nn/index.js';
import { FORECAST_DEFAULTS, ForecastModel, type ForecastOptions, forecastOptions } from './forecast-model.js';

/**
 * Multinomial logistic regression on the last row of the window: what every other model must beat. One linear layer a horizon, no
 * dropout; returns, where they are asked for, by linear regression. Source: Cox 1966; Hastie, Tibshirani & Friedman 2009, §4.4.
 */
export class LogisticRegression extends ForecastModel<ForecastOptions> {
  readonly logits;
  readonly returns;

  constructor(options: ForecastOptions = {}) {
    super(forecastOptions('LogisticRegression', options, { ...FORECAST_DEFAULTS, dropout: 0 }));
    const { features, horizons, classes } = this.options;
    this.logits = this.children(
      'logits',
      Array.from({ length: horizons }, () => new Linear(features, classes)),
    );
    this.returns = this.returnHeads(features);
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    this.checkWindow(x);
    const last = selectStep(x, -1);
    options.returns?.push(...this.returns.map((head) => head.forward(last)));
    return this.logits.map((logits) => logits.forward(last));
  }
}
