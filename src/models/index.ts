export { BIN_CTABL_DEFAULTS, BinCtabl, type BinCtablOptions } from './bin-ctabl.js';
export { DEEP_LOB_DEFAULTS, DeepLob, type DeepLobOptions } from './deep-lob.js';
export { type Classifier, Ensemble, ensembleParameters, equalWeights, memberParameters } from './ensemble.js';
export { type ExpertUsage, expertUsage, type RoutingGraph, routingGraph, UsageSum } from './expert-usage.js';
export { FORECAST_DEFAULTS, ForecastModel, type ForecastOptions } from './forecast-model.js';
export { type GrowOptions, growPricePredictor } from './grow.js';
export { LogisticRegression } from './logistic-regression.js';
export { LSTM_BASELINE_DEFAULTS, LstmBaseline, type LstmBaselineOptions } from './lstm-baseline.js';
export {
  ATTENTIONS,
  type AttentionKind,
  POSITIONS,
  type Positions,
  PRICE_PREDICTOR_DEFAULTS,
  PricePredictor,
  type PricePredictorOptions,
} from './price-predictor.js';
export {
  buildModel,
  MODEL_NAMES,
  MODELS,
  type ModelName,
  type ModelPreset,
  type ModelSizes,
  modelPreset,
} from './registry.js';
export { ROW_MLP_DEFAULTS, RowMlp, type RowMlpOptions } from './row-mlp.js';
export { TCN_MODEL_DEFAULTS, TcnModel, type TcnModelOptions } from './tcn-model.js';
