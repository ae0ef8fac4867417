import { selectStep, type Tensor } from '../graph/index.js';
import { Linear } from '../nn/index.js';
import { FORECAST_DEFAULTS, ForecastModel, type ForecastOptions, forecastOptions } from './forecast-model.js';

/**
 * Multinomial logistic regression on the last row of the window: what every other model must beat. One linear layer a horizon, no
 * dropout. Source: Cox 1966; Hastie, Tibshirani & Friedman 2009, §4.4.
 */
export class LogisticRegression extends ForecastModel<ForecastOptions> {
  readonly logits;

  constructor(options: ForecastOptions = {}) {
    super(forecastOptions('LogisticRegression', options, { ...FORECAST_DEFAULTS, dropout: 0 }));
    const { features, horizons, classes } = this.options;
    this.logits = this.children(
      'logits',
      Array.from({ length: horizons }, () => new Linear(features, classes)),
    );
  }

  forward(x: Tensor): Tensor[] {
    this.checkWindow(x);
    const last = selectStep(x, -1);
    return this.logits.map((logits) => logits.forward(last));
  }
}
