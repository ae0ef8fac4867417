import { invalid } from '../core/errors.js';
import { checkOptions, oneOf } from '../core/options.js';
import { adam, adamW } from './adam.js';
import { ema, swa } from './averaging.js';
import { centralised, clippedByValue } from './gradients.js';
import type { ParameterGroup } from './groups.js';
import { lamb } from './lamb.js';
import { lookahead } from './lookahead.js';
import type { Optimizer } from './optimizer.js';
import { sam } from './sam.js';
import { sgd } from './sgd.js';

export const OPTIMIZERS = ['adamw', 'adam', 'lamb', 'sgd'] as const;

/** An optimiser and what is put around it, as plain data. 0 and false leave a wrapper out. */
export interface OptimizerSettings {
  optimizer?: (typeof OPTIMIZERS)[number];
  weightDecay?: number;
  clipNorm?: number;
  clipValue?: number;
  /** Of SGD. */
  momentum?: number;
  nesterov?: boolean;
  /** Gradient centralisation. */
  centralise?: boolean;
  /** Steps between synchronisations of Lookahead. */
  lookahead?: number;
  /** ρ of SAM, or of ASAM with `adaptiveSam`. */
  sam?: number;
  adaptiveSam?: boolean;
  /** Decay of the moving average of the weights. */
  ema?: number;
  /** First step of stochastic weight averaging. */
  swa?: number;
  groups?: readonly ParameterGroup[];
}

const OPTIONS = [
  ...['optimizer', 'weightDecay', 'clipNorm', 'clipValue', 'momentum', 'nesterov', 'centralise', 'lookahead'],
  ...['sam', 'adaptiveSam', 'ema', 'swa', 'groups'],
];

/**
 * Puts an optimiser together, from the inside: rule, centralisation, clipping by value, SAM, Lookahead, averages.
 * So the gradients that SAM climbs by are those of the loss, and an average is of Lookahead's weights.
 *
 * @throws FlashbookError OPTION for a wrong value or name, and for what the chosen rule does not take
 */
export function optimizerFrom(settings: OptimizerSettings = {}): Optimizer {
  checkOptions('optimizer', settings, OPTIONS);
  const { momentum, nesterov, ...others } = settings;
  const name = oneOf('optimizer', settings.optimizer ?? 'adamw', OPTIMIZERS);
  for (const [option, value] of Object.entries({ momentum, nesterov })) {
    if (value && name !== 'sgd') throw invalid(option, "optimizer 'sgd' with it", value);
  }
  if (others.adaptiveSam && !others.sam) throw invalid('adaptiveSam', 'a radius sam with it', true);
  const { weightDecay, clipNorm, groups } = others;
  const common = {
    ...(weightDecay === undefined ? {} : { weightDecay }),
    ...(clipNorm === undefined ? {} : { clipNorm }),
    ...(groups && { groups }),
  };
  const rules = {
    adamw: () => adamW(common),
    adam: () => adam(common),
    lamb: () => lamb(common),
    sgd: () => sgd({ ...common, ...(momentum === undefined ? {} : { momentum }), nesterov }),
  };
  let optimizer = rules[name]();
  if (others.centralise) optimizer = centralised(optimizer);
  if (others.clipValue) optimizer = clippedByValue(optimizer, { limit: others.clipValue });
  if (others.sam) optimizer = sam(optimizer, { rho: others.sam, adaptive: others.adaptiveSam ?? false });
  if (others.lookahead) optimizer = lookahead(optimizer, { steps: others.lookahead });
  if (others.ema) optimizer = ema(optimizer, { decay: others.ema });
  if (others.swa) optimizer = swa(optimizer, { start: others.swa });
  return optimizer;
}
