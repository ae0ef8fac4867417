export { type GrowOptions, growPricePredictor } from './grow.js';
export {
  type Positions,
  PRICE_PREDICTOR_DEFAULTS,
  PricePredictor,
  type PricePredictorOptions,
} from './price-predictor.js';
