export {
  type Positions,
  PRICE_PREDICTOR_DEFAULTS,
  PricePredictor,
  type PricePredictorOptions,
} from './price-predictor.js';
