import type { Tensor } from '../graph/index.js';
import { Linear } from './linear.js';
import { Module } from './module.js';

/** What a head tells of the return beside its class: nothing, its location, or its location and quantiles. */
export type Regression = 'none' | 'location' | 'quantiles';
export const REGRESSIONS = ['none', 'location', 'quantiles'] as const satisfies readonly Regression[];

/** The quantiles that are told, rising. */
export const RETURN_QUANTILES: readonly number[] = [0.1, 0.25, 0.5, 0.75, 0.9];

/** What a head tells of the return of one horizon. */
export interface ReturnForecast {
  /** (B, 1) */
  location: Tensor;
  /** (B, RETURN_QUANTILES.length) */
  quantiles?: Tensor;
}

/** Location and quantiles of a return, each one linear layer over the last hidden columns of a classifier: (B, width). */
export class ReturnHead extends Module {
  readonly location;
  readonly quantiles;

  constructor(width: number, regression: 'location' | 'quantiles') {
    super();
    this.location = this.child('location', new Linear(width, 1));
    this.quantiles =
      regression === 'quantiles' ? this.child('quantiles', new Linear(width, RETURN_QUANTILES.length)) : undefined;
  }

  forward(hidden: Tensor): ReturnForecast {
    const quantiles = this.quantiles?.forward(hidden);
    return { location: this.location.forward(hidden), ...(quantiles && { quantiles }) };
  }
}
