import { selectStep, type Tensor } from '../graph/index.js';
import { type ForwardOptions, Lstm } from '../nn/index.js';
import { FORECAST_DEFAULTS, ForecastModel, type ForecastOptions, forecastOptions } from './forecast-model.js';

export interface LstmBaselineOptions extends ForecastOptions {
  hidden?: number;
  layers?: number;
}

export const LSTM_BASELINE_DEFAULTS: Readonly<Required<LstmBaselineOptions>> = {
  ...FORECAST_DEFAULTS,
  hidden: 128,
  layers: 2,
};

/** The recurrent baseline: `layers` of LSTM over the window, dropout between them, a head a horizon over the last hidden state. */
export class LstmBaseline extends ForecastModel<LstmBaselineOptions> {
  readonly lstm;
  readonly outputs;

  constructor(options: LstmBaselineOptions = {}) {
    super(forecastOptions('LstmBaseline', options, LSTM_BASELINE_DEFAULTS));
    const { features, hidden, layers, dropout } = this.options;
    this.lstm = this.child('lstm', new Lstm(features, hidden, { layers, dropout }));
    this.outputs = this.heads(hidden);
  }

  forward(x: Tensor, options: ForwardOptions = {}): Tensor[] {
    this.checkWindow(x);
    const last = selectStep(this.lstm.forward(x, options), -1);
    return this.outputs.map((head) => head.forward(last, options));
  }
}
