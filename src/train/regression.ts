import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, finite } from '../core/options.js';
import { huber, pinball, reshape, type Tensor } from '../graph/index.js';
import { RETURN_QUANTILES, type ReturnForecast } from '../nn/index.js';
import type { Configuration } from './configuration.js';
import type { Windows } from './windows.js';

export interface RegressionOptions {
  /** Weight of the return's losses beside the cross-entropy of the same horizon. Default 1. */
  weight?: number;
  /** Where the Huber loss turns from a square to a line, in units of the returns. Default 1. */
  delta?: number;
}

export type ResolvedRegression = Readonly<Required<RegressionOptions>>;

/** @throws FlashbookError OPTION for a wrong option, DATA where a data set has no returns */
export function resolveRegression(
  options: boolean | RegressionOptions | undefined,
  windows: Readonly<Record<string, Windows>>,
): ResolvedRegression | undefined {
  if (options === undefined || options === false) return undefined;
  const given = options === true ? {} : options;
  checkOptions('regression', given, ['weight', 'delta']);
  for (const [name, { returns }] of Object.entries(windows)) {
    if (returns !== undefined) continue;
    throw new FlashbookError(
      'DATA',
      `'regression' needs returns in the windows of ${name}: give them to WindowDataset`,
      {
        name,
      },
    );
  }
  const weight = finite('regression.weight', given.weight ?? 1, 0);
  return { weight, delta: finite('regression.delta', given.delta ?? 1, Number.MIN_VALUE) };
}

export function regressionConfiguration({ weight, delta }: ResolvedRegression): Configuration {
  return { weight, delta };
}

/** Names of the tensors that a head tells of horizon h. */
export function returnOutputs(h: number, { location, quantiles }: ReturnForecast): [string, Tensor][] {
  return [
    [`return.${h}.location`, location],
    ...(quantiles ? [[`return.${h}.quantiles`, quantiles] as [string, Tensor]] : []),
  ];
}

/** @throws FlashbookError OPTION for heads that tell nothing of returns and shall learn them, or do and shall not */
export function checkReturnHeads(
  forecasts: readonly ReturnForecast[],
  horizons: number,
  regression: ResolvedRegression | undefined,
): void {
  const wanted = regression === undefined ? 0 : horizons;
  if (forecasts.length === wanted) return;
  throw invalid(
    'regression',
    wanted === 0
      ? "true, for the model's heads have regression"
      : "a model whose heads have it: build it with regression 'location' or 'quantiles'",
    `${forecasts.length} such heads for ${horizons} horizons`,
  );
}

/**
 * The losses of returns, Σ_h w_h · weight · (huber(location) + pinball(quantiles)): Huber 1964 and Koenker & Bassett 1978.
 *
 * @param targets one f32 (B) a horizon; NaN where there is no return
 */
export function returnLoss(
  forecasts: readonly ReturnForecast[],
  targets: readonly Tensor[],
  horizonWeights: readonly number[],
  { weight, delta }: ResolvedRegression,
): Tensor | undefined {
  let total: Tensor | undefined;
  for (const [h, { location, quantiles }] of forecasts.entries()) {
    const scale = weight * horizonWeights[h];
    if (scale === 0) continue;
    const near = huber(reshape(location, targets[h].shape), targets[h], { delta });
    const loss = quantiles === undefined ? near : near.add(pinball(quantiles, targets[h], RETURN_QUANTILES));
    const scaled = scale === 1 ? loss : loss.scale(scale);
    total = total === undefined ? scaled : total.add(scaled);
  }
  return total;
}
