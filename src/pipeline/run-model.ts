import { invalid } from '../core/errors.js';
import {
  buildModel,
  type ForecastModel,
  modelPreset,
  PRICE_PREDICTOR_DEFAULTS,
  type PricePredictor,
} from '../models/index.js';
import { CLASSES } from '../monitor/run-metrics.js';
import type { RunConfig } from './config.js';

/** The model of a run over windows of `features` columns. */
export function runModel(config: RunConfig, features: number): ForecastModel | PricePredictor {
  const { model, window: steps, horizons, dropout, positions, attention, experts, topExperts, regression } = config;
  const { attentionDropout, dropPath } = config;
  const { width, layers, heads, feedForward } = config;
  checkHeads(config);
  return buildModel(
    model,
    {
      features,
      steps,
      horizons: horizons.length,
      classes: CLASSES.length,
      dropout,
      ...(model === 'deepLob' && { levels: config.levels }), // of the book: what its first columns are
      ...(positions && { positions }),
      ...(attention && { attention }),
      ...(experts && { experts, topExperts: topExperts ?? Math.min(2, experts) }),
      ...(attentionDropout > 0 && { attentionDropout }),
      ...(dropPath > 0 && { dropPath }),
      ...(regression !== 'none' && { regression }),
    },
    { width, layers, heads, feedForward },
  );
}

/** What a model was built with, in words. */
export function modelDescription(model: { readonly options: object }): string {
  const shared = new Set(['features', 'steps', 'horizons', 'classes', 'dropout']);
  const own = Object.entries(model.options).filter(([name]) => !shared.has(name));
  return own.map(([name, value]) => `${name} ${value}`).join(', ');
}

function checkHeads(config: RunConfig): void {
  const { sizes, preset } = modelPreset(config.model);
  if (sizes.heads === undefined) return;
  const { dModel, heads } = { ...PRICE_PREDICTOR_DEFAULTS, ...preset };
  const asked = { width: config.width ?? dModel, heads: config.heads ?? heads };
  if (asked.width % asked.heads !== 0) throw invalid('heads', `a divisor of the width ${asked.width}`, asked.heads);
}
