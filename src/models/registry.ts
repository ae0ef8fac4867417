import { checkOptions, oneOf } from '../core/options.js';
import { BinCtabl } from './bin-ctabl.js';
import { DeepLob } from './deep-lob.js';
import type { ForecastModel, ForecastOptions } from './forecast-model.js';
import { LogisticRegression } from './logistic-regression.js';
import { LstmBaseline } from './lstm-baseline.js';
import { PricePredictor } from './price-predictor.js';
import { RowMlp } from './row-mlp.js';
import { TcnModel } from './tcn-model.js';

/** Sizes by one name for all presets; a preset takes those that it has a meaning for. */
export interface ModelSizes {
  /** Of the main part: dModel, hidden columns or channels. */
  width?: number;
  /** Encoder layers, LSTM layers or residual blocks. */
  layers?: number;
  heads?: number;
  feedForward?: number;
}

export type ModelName =
  | 'pricePredictor'
  | 'transformerBase'
  | 'transformerLarge'
  | 'lstmBaseline'
  | 'tcnModel'
  | 'deepLob'
  | 'binCtabl'
  | 'rowMlp'
  | 'logisticRegression';

export interface ModelPreset {
  readonly name: ModelName;
  /** For people: price predictor. */
  readonly title: string;
  readonly description: string;
  readonly source: string;
  /** What `sizes` are called in the options of the model. */
  readonly sizes: Readonly<Partial<Record<keyof ModelSizes, string>>>;
  /** Options of the model that differ from its defaults. */
  readonly preset: Readonly<Record<string, number>>;
  readonly build: (options: Record<string, number | string | undefined>) => ForecastModel | PricePredictor;
}

const TRANSFORMER = { width: 'dModel', layers: 'layers', heads: 'heads', feedForward: 'feedForward' } as const;

export const MODELS: readonly ModelPreset[] = [
  {
    name: 'pricePredictor',
    title: 'price predictor',
    description: 'causal pre-norm transformer encoder: 3 layers, width 128, 4 heads, feed-forward 1024',
    source: 'Vaswani et al. 2017; Xiong et al. 2020',
    sizes: TRANSFORMER,
    preset: {},
    build: (options) => new PricePredictor(options),
  },
  {
    name: 'transformerBase',
    title: 'transformer, base',
    description: 'the price predictor with 6 layers, width 256, 8 heads, feed-forward 1024',
    source: 'Vaswani et al. 2017; Xiong et al. 2020',
    sizes: TRANSFORMER,
    preset: { layers: 6, dModel: 256, heads: 8, feedForward: 1024 },
    build: (options) => new PricePredictor(options),
  },
  {
    name: 'transformerLarge',
    title: 'transformer, large',
    description: 'the price predictor with 12 layers, width 512, 16 heads, feed-forward 2048',
    source: 'Vaswani et al. 2017; Xiong et al. 2020',
    sizes: TRANSFORMER,
    preset: { layers: 12, dModel: 512, heads: 16, feedForward: 2048 },
    build: (options) => new PricePredictor(options),
  },
  {
    name: 'lstmBaseline',
    title: 'LSTM',
    description: '2 LSTM layers of 128 over the window',
    source: 'Hochreiter & Schmidhuber 1997',
    sizes: { width: 'hidden', layers: 'layers' },
    preset: {},
    build: (options) => new LstmBaseline(options),
  },
  {
    name: 'tcnModel',
    title: 'temporal convolutional network',
    description: '6 residual blocks of causal dilated convolutions, 64 channels, 3 taps, weight norm',
    source: 'Bai, Kolter & Koltun 2018',
    sizes: { width: 'channels', layers: 'layers' },
    preset: {},
    build: (options) => new TcnModel(options),
  },
  {
    name: 'deepLob',
    title: 'DeepLOB',
    description: 'convolutions over the book, an inception module, an LSTM of 64; reads the levels of the book alone',
    source: 'Zhang, Zohren & Roberts 2019',
    sizes: {},
    preset: {},
    build: (options) => new DeepLob(options),
  },
  {
    name: 'binCtabl',
    title: 'BiN-CTABL',
    description: 'bilinear normalisation, two bilinear layers, temporal attention',
    source: 'Tran et al. 2018, 2021',
    sizes: { width: 'hidden' },
    preset: {},
    build: (options) => new BinCtabl(options),
  },
  {
    name: 'rowMlp',
    title: 'row perceptron',
    description:
      '2 residual blocks of 128, hidden 512, over the last row alone: for features that tell the past themselves',
    source: 'Gorishniy et al. 2021',
    sizes: { width: 'width', layers: 'layers', feedForward: 'hidden' },
    preset: {},
    build: (options) => new RowMlp(options),
  },
  {
    name: 'logisticRegression',
    title: 'logistic regression',
    description: 'a linear layer over the last row: what every other model must beat',
    source: 'Cox 1966',
    sizes: {},
    preset: {},
    build: (options) => new LogisticRegression(options),
  },
];

export const MODEL_NAMES: readonly ModelName[] = MODELS.map(({ name }) => name);

/** @throws FlashbookError OPTION that names the nearest preset. */
export function modelPreset(name: string): ModelPreset {
  oneOf('model', name, MODEL_NAMES);
  return MODELS.find((preset) => preset.name === name)!;
}

/**
 * The model of that name.
 *
 *   buildModel('transformerBase', { features: 89, horizons: 3 }, { layers: 4 })
 *
 * @param options features, steps, horizons, classes, dropout, and whatever else the model's own options are
 * @param sizes by their common names; what the preset has no meaning for is an error
 */
export function buildModel(
  name: ModelName,
  options: ForecastOptions & Record<string, number | string | undefined> = {},
  sizes: ModelSizes = {},
): ForecastModel | PricePredictor {
  const { sizes: names, preset, build } = modelPreset(name);
  const asked = Object.fromEntries(Object.entries(sizes).filter(([, value]) => value !== undefined));
  checkOptions(name, asked, Object.keys(names));
  const own = Object.entries(asked).map(([size, value]) => [names[size as keyof ModelSizes]!, value]);
  return build({ ...preset, ...options, ...Object.fromEntries(own) });
}
