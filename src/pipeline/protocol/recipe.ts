import { buildModel, type Classifier, type ForecastOptions, type ModelName } from '../../models/index.js';
import { adamW, ema } from '../../optim/index.js';
import type { TrainOptions } from '../../train/index.js';

/** A model of the protocol, by what it is built with. */
export interface ProtocolModel {
  name: string;
  model: ModelName;
  /** Options of the model over those that all have in common. */
  options?: Readonly<Record<string, number | string>>;
  /** Options of training over those that all have in common. */
  training?: Partial<TrainOptions>;
}

/** Rows of a window: all that any of the models sees at once. */
export const PROTOCOL_WINDOW = 10;
export const PROTOCOL_HORIZONS: readonly number[] = [10, 50, 100];

/** What all models have in common. Chosen on the validation part, as everything here. */
export const PROTOCOL_TRAINING = {
  batch: 64,
  steps: 1500,
  learningRate: 1e-3,
  labelSmoothing: 0.1,
  maxValidationWindows: 4000,
} as const satisfies Partial<TrainOptions>;

const DROPOUT = 0.3;
const REGRESSION = { weight: 0.3 };

/** What every other model must beat; a member of the ensemble too. */
export const PROTOCOL_BASELINE: ProtocolModel = {
  name: 'logistic regression',
  model: 'logisticRegression',
  training: { batch: 512, learningRate: 2e-3, labelSmoothing: 0 },
};

/** The members of the ensemble; the best of them on the validation part is the single model. */
export const PROTOCOL_MEMBERS: readonly ProtocolModel[] = [
  { name: 'row perceptron', model: 'rowMlp' },
  { name: 'row perceptron, deep', model: 'rowMlp', options: { layers: 4 } },
  { name: 'transformer', model: 'pricePredictor', options: { dModel: 128, feedForward: 256, layers: 2 } },
  { name: 'transformer, wide', model: 'pricePredictor', options: { dModel: 128, feedForward: 512, layers: 2 } },
  { name: 'TCN', model: 'tcnModel', options: { channels: 64, layers: 3 } },
  { name: 'LSTM', model: 'lstmBaseline', options: { hidden: 64, layers: 1 } },
  PROTOCOL_BASELINE,
];

/** The model over windows of `features` columns, with one head for each of `horizons` labels. */
export function protocolModel(
  { model, options }: ProtocolModel,
  shape: Required<Pick<ForecastOptions, 'features' | 'horizons'>>,
): Classifier {
  const own = model === 'logisticRegression' ? {} : { dropout: DROPOUT, regression: 'location' as const };
  return buildModel(model, { ...shape, steps: PROTOCOL_WINDOW, classes: 3, ...own, ...options });
}

/**
 * Options of training of one model: a moving average of the weights is kept, and what the heads tell of returns is learned beside the
 * classes, but by the logistic regression.
 */
export function protocolTraining({ model, training }: ProtocolModel, steps: number): Partial<TrainOptions> {
  const linear = model === 'logisticRegression';
  return {
    ...PROTOCOL_TRAINING,
    ...training,
    steps,
    evaluateEvery: Math.max(1, Math.floor(steps / 10)),
    optimizer: linear ? adamW({ weightDecay: 0.01 }) : ema(adamW({ weightDecay: 0.3 }), { decay: 0.998 }),
    ...(linear ? {} : { regression: REGRESSION }),
  };
}
