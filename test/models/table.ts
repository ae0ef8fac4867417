/** Every architecture, small enough for tests that run all of them. A new one is a row here. */
import { Random } from '../../src/core/random.js';
import {
  BinCtabl,
  DeepLob,
  type ForecastModel,
  LogisticRegression,
  LstmBaseline,
  POSITIONS,
  PricePredictor,
  RowMlp,
  TcnModel,
} from '../../src/models/index.js';
import type { Regression } from '../../src/nn/index.js';

export interface ArchitectureCase {
  name: string;
  build(options?: { dropout?: number; regression?: Regression }): ForecastModel | PricePredictor;
  /** Weights that int8 takes over. */
  quantised: number;
  /** Operations whose operands autocast rounds to bf16. */
  rounded: readonly string[];
  /** Loss that remains when everything is learnt: that of the modules themselves. Default 0. */
  ownLoss?: number;
}

const COMMON = { features: 8, horizons: 2, dropout: 0 };
const TRANSFORMER = { ...COMMON, steps: 7, dModel: 32, heads: 4, layers: 2, feedForward: 36 };

export const ARCHITECTURES: readonly ArchitectureCase[] = [
  ...POSITIONS.map((positions) => ({
    name: `PricePredictor, ${positions} positions`,
    build: (options = {}) => new PricePredictor({ ...TRANSFORMER, positions, ...options }),
    quantised: 10,
    rounded: ['linear', 'attention'],
  })),
  {
    name: 'PricePredictor, heads of several horizons',
    build: (options = {}) => new PricePredictor({ ...TRANSFORMER, steps: 20, attention: 'multiScale', ...options }),
    quantised: 10,
    rounded: ['linear', 'attention'],
  },
  {
    name: 'PricePredictor with dropout of the attention weights',
    build: (options = {}) => new PricePredictor({ ...TRANSFORMER, attentionDropout: 0.1, ...options }),
    quantised: 10,
    rounded: ['linear', 'attention'],
  },
  {
    name: 'PricePredictor with a mixture of experts',
    build: (options = {}) => new PricePredictor({ ...TRANSFORMER, experts: 4, topExperts: 2, ...options }),
    quantised: 8,
    rounded: ['linear', 'attention', 'experts'],
    ownLoss: 0.03,
  },
  {
    name: 'LstmBaseline',
    build: (options) => new LstmBaseline({ ...COMMON, steps: 6, hidden: 36, layers: 2, ...options }),
    quantised: 3,
    rounded: ['lstm', 'linear'],
  },
  {
    name: 'TcnModel',
    build: (options) => new TcnModel({ ...COMMON, steps: 9, channels: 16, layers: 3, kernel: 3, ...options }),
    quantised: 5,
    rounded: ['conv2d', 'linear'],
  },
  {
    name: 'DeepLob',
    build: (options) => new DeepLob({ ...COMMON, steps: 22, levels: 2, ...options }),
    quantised: 16,
    rounded: ['conv2d', 'lstm'],
  },
  {
    name: 'BinCtabl',
    build: (options) => new BinCtabl({ ...COMMON, steps: 12, hidden: 18, hiddenSteps: 6, ...options }),
    quantised: 2,
    rounded: ['linear'],
  },
  {
    name: 'RowMlp',
    build: (options) => new RowMlp({ ...COMMON, steps: 3, width: 32, hidden: 36, layers: 2, ...options }),
    quantised: 6,
    rounded: ['linear'],
  },
  {
    name: 'LogisticRegression',
    build: (options) => new LogisticRegression({ ...COMMON, features: 40, steps: 3, ...options }),
    quantised: 2,
    rounded: [], // The one product is that of the logits.
  },
];

export function normalValues(count: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.normal());
}
