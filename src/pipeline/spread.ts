import { mean, sampleStandardDeviation } from 'simple-statistics';
import { percent } from '../monitor/report/format.js';

/** Of what several seeds give. */
export interface Moments {
  mean: number;
  /** Of one run, with n − 1; NaN for one run. */
  deviation: number;
}

export function moments(values: number[]): Moments {
  return { mean: mean(values), deviation: values.length > 1 ? sampleStandardDeviation(values) : Number.NaN };
}

/** 0.503, 0.004 → '50.3 ± 0.4 %'; of one run '50.3 %'. */
export function spread({ mean: value, deviation }: Moments): string {
  return Number.isNaN(deviation) ? percent(value) : `${(100 * value).toFixed(1)} ± ${percent(deviation)}`;
}
