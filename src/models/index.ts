export { PRICE_PREDICTOR_DEFAULTS, PricePredictor, type PricePredictorOptions } from './price-predictor.js';
