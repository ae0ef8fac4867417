import { PricePredictor } from '../models/index.js';
import { CLASSES } from '../monitor/run-metrics.js';
import type { RunConfig } from './config.js';

/** The model of a run, for so many features. */
export function runModel(config: RunConfig, features: number): PricePredictor {
  return new PricePredictor({
    features,
    steps: config.window,
    dModel: config.width,
    heads: config.heads,
    layers: config.layers,
    feedForward: config.feedForward,
    horizons: config.horizons.length,
    classes: CLASSES.length,
    dropout: config.dropout,
    dropPath: config.dropPath,
  });
}
