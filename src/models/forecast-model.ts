import { invalid } from '../core/errors.js';
import { checkOptions, finite, integer, oneOf } from '../core/options.js';
import type { Tensor } from '../graph/index.js';
import { ClassifierHead, type ForwardOptions, Module, REGRESSIONS, type Regression, ReturnHead } from '../nn/index.js';

/** What every forecasting model is built with. */
export interface ForecastOptions {
  /** Columns of a step: what is known at one moment. */
  features?: number;
  /** Length of a window. */
  steps?: number;
  /** One head each. */
  horizons?: number;
  /** Down, flat, up. */
  classes?: number;
  dropout?: number;
  /** What the heads tell of the return beside the class; learned with `train`'s option of the same name. */
  regression?: Regression;
}

export const FORECAST_DEFAULTS: Readonly<Required<ForecastOptions>> = {
  features: 6,
  steps: 100,
  horizons: 3,
  classes: 3,
  dropout: 0.1,
  regression: 'none',
};

/** A model that training, quantising, export and prediction take: a window of features to one tensor of logits a horizon. */
export abstract class ForecastModel<O extends ForecastOptions = ForecastOptions> extends Module {
  constructor(readonly options: Readonly<Required<O> & Required<ForecastOptions>>) {
    super();
  }

  /**
   * @param x (B, steps, features).
   * @returns one (B, classes) tensor of logits a horizon.
   */
  abstract forward(x: Tensor, options?: ForwardOptions): Tensor[];

  /** One head a horizon over `width` columns: two hidden layers, of a half and a quarter of them. */
  protected heads(width: number): readonly ClassifierHead[] {
    const { horizons, classes, dropout, regression } = this.options;
    const hidden = [Math.ceil(width / 2), Math.ceil(width / 4)];
    return this.children(
      'heads',
      Array.from({ length: horizons }, () => new ClassifierHead(width, hidden, classes, dropout, regression)),
    );
  }

  /** With regression, what tells of the return of each horizon from `width` columns, for models whose logits are one layer over them. */
  protected returnHeads(width: number): readonly ReturnHead[] {
    const { horizons, regression } = this.options;
    if (regression === 'none') return [];
    return this.children(
      'returns',
      Array.from({ length: horizons }, () => new ReturnHead(width, regression)),
    );
  }

  protected checkWindow(x: Tensor): void {
    const { steps, features } = this.options;
    const [, t, f] = x.shape;
    if (x.shape.length !== 3 || t !== steps || f !== features) {
      throw invalid(`x of ${this.constructor.name}`, `shape (B, ${steps}, ${features})`, x.shape, 'SHAPE');
    }
  }
}

/** Options with their defaults, every one but dropout and regression a positive integer. */
export function forecastOptions<O extends ForecastOptions>(
  where: string,
  options: O,
  defaults: Readonly<Required<O>>,
): Required<O> & Required<ForecastOptions> {
  checkOptions(where, options, Object.keys(defaults));
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const all = { ...defaults, ...given } as Required<O> & Required<ForecastOptions>;
  const { dropout, regression, ...sizes } = all;
  for (const [name, value] of Object.entries(sizes)) integer(name, value, 1);
  finite('dropout', dropout, 0, 0.999);
  oneOf('regression', regression, REGRESSIONS);
  return all;
}
