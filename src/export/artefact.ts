import { calibrate } from '../compress/calibrate.js';
import { foldState } from '../compress/fold.js';
import { type QuantiseOptions, quantiseLinear } from '../compress/quantise.js';
import { splitQueries } from '../compress/split-queries.js';
import { FlashbookError, invalid } from '../core/errors.js';
import { writeFileAtomic } from '../core/files.js';
import { checkOptions, finite, integer, oneOf } from '../core/options.js';
import {
  autocast,
  compilePlan,
  concat,
  constants,
  Graph,
  interpret,
  mul,
  type Pass,
  readRowsOnly,
  standardize,
  type Tensor,
} from '../graph/index.js';
import type { PlanSpec, TypedArray } from '../native/plan-spec.js';
import { type ForwardOptions, RETURN_QUANTILES, type ReturnForecast } from '../nn/index.js';
import { encodeArtefact } from './artefact-file.js';
import { Manifest, type ModelCard, outputColumns, outputNames, parseManifest } from './manifest.js';
import { exportOnnx } from './onnx/export-graph.js';
import { version } from './version.js';

/** What an artefact can be made of: `PricePredictor` is one. */
export interface ExportableModel {
  readonly options: Readonly<Record<string, number | string | boolean>> & {
    readonly steps: number;
    readonly features: number;
  };
  parameters(): { name: string; shape: readonly number[]; trainable?: boolean }[];
  /** x (B, steps, features) → one (B, classes) tensor of logits a horizon. */
  forward(x: Tensor, options?: ForwardOptions): Tensor[];
}

export interface ArtefactOptions {
  model: ExportableModel;
  /** Trained parameters by name. */
  parameters: ReadonlyMap<string, Float32Array>;
  /** One mean and inverse standard deviation a feature; `clip` in standard deviations, default 10. */
  scaler: { mean: Float32Array; inverseStd: Float32Array; clip?: number };
  /** The feature set that makes the columns, stored as it is (JSON). */
  featureSet: unknown;
  /** Names of the columns, in order. */
  featureNames: readonly string[];
  /** The label definition, stored as it is (JSON). */
  label: unknown;
  /** One an output; those that come twice need `outputNames`. */
  horizons: readonly number[];
  /** Names of the outputs, where horizons alone do not tell them apart. */
  outputNames?: readonly string[];
  classes: readonly string[];
  card: ModelCard;
  /** Default 'f32'. 'bf16': products of operands rounded to bf16, see `autocast`. 'int8': linears with int8 weights, see `quantiseLinear`. */
  precision?: Manifest['precision'];
  /** For precision 'int8'. Windows for the calibration of static activations are raw as `golden`, of the training part. */
  quantise?: QuantiseOptions;
  /**
   * Keep what the heads tell of returns too, of a model that was built and trained with regression: one a horizon, the unit of the returns
   * that it learned (`returnScale`). Predictions are in units of the return itself. Left out: the classes alone.
   */
  returnScales?: readonly number[];
  /** Raw feature windows (n, steps, features) that are stored with their logits and predicted again at each load: 1 or 2. */
  golden: Float32Array;
  /** Batch sizes to make plans for. Default 1, 8, 32. */
  batches?: readonly number[];
}

const OPTIONS = [
  'model',
  'parameters',
  'scaler',
  'featureSet',
  'featureNames',
  'label',
  'horizons',
  'outputNames',
  'classes',
  'card',
  'precision',
  'quantise',
  'returnScales',
  'golden',
  'batches',
] as const satisfies readonly (keyof ArtefactOptions)[];

/**
 * The largest accepted |difference| of golden logits when an artefact is loaded, and of golden returns in units of their scale.
 *
 * int8: backends add float32 sums in different orders. Where that moves an activation across a rounding boundary, its int8
 * value and all that follows change, by about as much as quantising itself changes the logits: three windows in four agree
 * to 1e-6, the others differ by up to some hundredths. bf16 rounds likewise, and its ONNX form is float32.
 */
function goldenTolerance(precision: Manifest['precision'], values: readonly number[]): Manifest['golden']['tolerance'] {
  const tolerance = precision === 'f32' ? 1e-4 : 5e-2 * Math.max(1, ...values.map(Math.abs));
  return { native: tolerance, onnx: tolerance };
}

/** A traced, pass-run graph from raw windows `features` to `logits` and, where they are kept, `location` and `quantiles` of returns, and the contents of its state buffers. */
export interface InferenceGraph {
  graph: Graph;
  state: Map<string, TypedArray>;
}

/**
 * Builds the bytes of a .fbk file from a trained model: standardise → model → all horizons' logits side by side, as plans for
 * the native core, as ONNX, and with golden outputs from the float64 reference interpreter.
 *
 * @throws FlashbookError OPTION, SHAPE or NUMERIC for options that do not fit the model.
 */
export async function buildArtefact(given: ArtefactOptions): Promise<Uint8Array> {
  checkOptions('buildArtefact', given, OPTIONS);
  checkNames(given);
  const options = calibrated(given);
  const windows = goldenWindows(options);
  const manifest = parseManifest(Manifest, describeModel(options, windows), 'OPTION', 'artefact manifest');

  const plans = new Map<number, PlanSpec>();
  for (const batch of manifest.batches) plans.set(batch, compilePlan(inferenceGraph(options, batch).graph));
  const { graph, state } = inferenceGraph(options, windows);
  const features = options.golden.slice();
  manifest.output.returns = describeReturns(graph, options);
  const columns = outputColumns(manifest.output);
  const { outputs } = interpret(graph, { inputs: { features }, state: Object.fromEntries(state) });
  const inUnits = columns.flatMap(({ name, units }) =>
    Array.from(outputs[name].data, (value, i) => value / units[i % units.length]),
  );
  manifest.golden.tolerance = goldenTolerance(manifest.precision, inUnits);
  return encodeArtefact({
    manifest,
    plans,
    weights: new Map([...state].map(([name, data]) => [name, { shape: graph.states.get(name)!.tensor.shape, data }])),
    onnx: modelOnnx(graph, state, manifest),
    golden: { features, outputs: new Map(columns.map(({ name }) => [name, Float32Array.from(outputs[name].data)])) },
  });
}

/** Builds an artefact and writes it whole or not at all; returns its size in bytes. */
export async function writeArtefact(path: string, options: ArtefactOptions): Promise<number> {
  const bytes = await buildArtefact(options);
  await writeFileAtomic(path, bytes);
  return bytes.length;
}

/**
 * The graph that an artefact holds, for one batch size.
 *
 * @param passes what is done to the traced graph: by default only the rows that are read are computed. Where they left an attention one
 *   query, that alone is projected.
 */
export function inferenceGraph(
  options: ArtefactOptions,
  batch: number,
  passes: readonly Pass[] = [readRowsOnly],
): InferenceGraph {
  const folded = foldedGraph(options, batch, passes);
  const stored =
    options.precision === 'int8'
      ? quantiseLinear(folded.graph, folded.state, calibrated(options, passes).quantise)
      : folded;
  return splitQueries(stored.graph, stored.state);
}

/** The graph before its weights are quantised, under the names of the model's parameters. */
function foldedGraph(options: ArtefactOptions, batch: number, passes: readonly Pass[]): InferenceGraph {
  const { model, parameters, scaler, precision = 'f32' } = options;
  const { steps, features } = model.options;
  const traced = new Graph();
  const x = traced.input('features', [batch, steps, features]);
  const mean = traced.state('scaler.mean', [features]);
  const inverseStd = traced.state('scaler.inverseStd', [features]);
  const told: ReturnForecast[] = [];
  const logits = model.forward(standardize(x, mean, inverseStd, { clip: clipOf(options) }), { returns: told });
  checkHeads(logits, batch, options);
  traced.output('logits', concat(logits));
  const units = outputReturns(traced, told, options);

  const casts = precision === 'bf16' ? [autocast] : [];
  const graph = [...passes, ...casts].reduce<Graph>((before, pass) => pass(before), traced);
  const given: [string, TypedArray][] = [
    ...parameters,
    ['scaler.mean', scaler.mean],
    ['scaler.inverseStd', scaler.inverseStd],
    ...units,
  ];
  checkState(traced, new Map([...constants(traced), ...given]));
  // Without what no prediction depends on, such as heads that tell of returns.
  const state = new Map([...constants(graph), ...given].filter(([name]) => graph.states.has(name)));
  return foldState(graph, state);
}

/** The options with windows of a calibration replaced by the scales that they give: those of one window, for all sizes of a batch. */
function calibrated(options: ArtefactOptions, passes: readonly Pass[] = [readRowsOnly]): ArtefactOptions {
  const { precision, quantise } = options;
  if (precision !== 'int8' || !(quantise?.calibration instanceof Float32Array)) return options;
  const { calibration: windows, calibrate: how, ...others } = quantise;
  const { graph, state } = foldedGraph({ ...options, precision: 'f32' }, 1, passes);
  return { ...options, quantise: { ...others, calibration: calibrate(graph, state, windows, how) } };
}

/** Location and quantiles of all horizons side by side in units of the return, and what the buffers of those units hold. */
function outputReturns(
  graph: Graph,
  told: readonly ReturnForecast[],
  { returnScales, horizons }: ArtefactOptions,
): [string, Float32Array][] {
  if (returnScales === undefined) return [];
  for (const scale of returnScales) finite('returnScales', scale, Number.MIN_VALUE);
  if (returnScales.length !== horizons.length) {
    throw invalid('returnScales', `${horizons.length} numbers, one a horizon`, returnScales);
  }
  if (told.length !== horizons.length) {
    throw invalid(
      'returnScales',
      "a model whose heads tell of returns with it: one built with regression 'location' or 'quantiles', or an ensemble of such alone,",
      returnScales,
    );
  }
  const output = (name: string, tensors: readonly Tensor[]): [string, Float32Array] => {
    const each = tensors[0].shape[1];
    const unit = Float32Array.from({ length: tensors.length * each }, (_, i) => returnScales[Math.floor(i / each)]);
    graph.output(name, mul(concat(tensors), graph.state(`${name}.unit`, [unit.length])));
    return [`${name}.unit`, unit];
  };
  const quantiles = told.flatMap(({ quantiles: own }) => own ?? []);
  return [
    output(
      'location',
      told.map(({ location }) => location),
    ),
    ...(quantiles.length > 0 ? [output('quantiles', quantiles)] : []),
  ];
}

function describeReturns(graph: Graph, { returnScales }: ArtefactOptions): Manifest['output']['returns'] {
  if (returnScales === undefined) return undefined;
  return { scales: [...returnScales], ...(graph.outputs.has('quantiles') && { quantiles: [...RETURN_QUANTILES] }) };
}

function describeModel(options: ArtefactOptions, windows: number): Manifest {
  const { model, featureSet, featureNames, label, horizons, outputNames: names, classes, card } = options;
  const precision = oneOf('precision', options.precision ?? 'f32', ['f32', 'bf16', 'int8']);
  const batches = [...new Set(options.batches ?? [1, 8, 32])].sort((a, b) => a - b);
  for (const batch of batches) integer('batches', batch, 1, 4096);
  return {
    producer: `flashbook ${version}`,
    precision,
    ...(precision === 'int8' && { activations: options.quantise?.activations ?? 'dynamic' }),
    model: { kind: model.constructor.name, options: { ...model.options }, parameters: parameterCount(model) },
    input: { name: 'features', steps: model.options.steps, features: [...featureNames] },
    output: { name: 'logits', horizons: [...horizons], classes: [...classes], ...(names && { names: [...names] }) },
    featureSet: featureSet as Manifest['featureSet'],
    label: label as Manifest['label'],
    scaler: { clip: clipOf(options) },
    batches,
    golden: { windows, tolerance: goldenTolerance(precision, []) },
    card,
  };
}

function modelOnnx(graph: Graph, state: ReadonlyMap<string, TypedArray>, manifest: Manifest): Uint8Array {
  const { input, output, card, precision } = manifest;
  const classes = output.classes.join(', ');
  return exportOnnx(graph, {
    name: card.name,
    docString: card.description ?? card.name,
    producerVersion: version,
    state,
    docs: {
      features: `Raw feature windows, oldest step first: (batch, ${input.steps}, ${input.features.length}); columns: ${input.features.join(', ')}`,
      logits: `(batch, horizons × classes): for each of the horizons ${outputNames(output).join(', ')} the logits of ${classes}`,
      location: `(batch, horizons): the return that is expected`,
      quantiles: `(batch, horizons × quantiles): for each horizon the quantiles ${output.returns?.quantiles?.join(', ')} of the return`,
    },
    metadata: {
      precision,
      parameters: String(manifest.model.parameters),
      label: JSON.stringify(manifest.label),
      card: JSON.stringify(card),
    },
  });
}

function clipOf({ scaler }: ArtefactOptions): number {
  return finite('scaler.clip', scaler.clip ?? 10, Number.MIN_VALUE);
}

function parameterCount(model: ExportableModel): number {
  return model
    .parameters()
    .filter(({ trainable }) => trainable !== false)
    .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

function goldenWindows({ golden, model }: ArtefactOptions): number {
  const windowLength = model.options.steps * model.options.features;
  if (!(golden instanceof Float32Array) || golden.length === 0 || golden.length % windowLength !== 0) {
    throw invalid('golden', `a Float32Array of one or two windows of ${windowLength} values`, golden, 'SHAPE');
  }
  checkFinite('golden windows', golden);
  return golden.length / windowLength;
}

function checkNames({ model, featureNames, classes, horizons, outputNames: names }: ArtefactOptions): void {
  const { features } = model.options;
  if (featureNames.length !== features) {
    throw invalid('featureNames', `${features} names, as the model has inputs`, featureNames, 'SHAPE');
  }
  if (new Set(classes).size !== classes.length) throw invalid('classes', 'distinct names', classes);
  for (const horizon of horizons) finite('horizons', horizon, Number.MIN_VALUE);
  if (names === undefined && new Set(horizons).size !== horizons.length) {
    throw invalid('horizons', "different numbers, or 'outputNames' that tell the outputs apart", horizons);
  }
  if (names !== undefined && (names.length !== horizons.length || new Set(names).size !== names.length)) {
    throw invalid('outputNames', `${horizons.length} distinct names, one a horizon`, names);
  }
}

function checkHeads(logits: readonly Tensor[], batch: number, { horizons, classes }: ArtefactOptions): void {
  const fits =
    logits.length === horizons.length && logits.every(({ shape }) => shape[0] === batch && shape[1] === classes.length);
  if (fits) return;
  throw new FlashbookError(
    'SHAPE',
    `expected a model of ${horizons.length} horizons × ${classes.length} classes but it gives logits of shape ` +
      logits.map(({ shape }) => `(${shape.join(', ')})`).join(', '),
  );
}

/** Every state buffer of the graph has content of the right length, finite, and nothing is given that no model has. */
function checkState(graph: Graph, state: ReadonlyMap<string, TypedArray>): void {
  for (const [name, { tensor }] of graph.states) {
    const data = state.get(name);
    const elements = tensor.shape.reduce((product, size) => product * size, 1);
    if (data === undefined) throw new FlashbookError('SHAPE', `the parameter '${name}' is missing`, { name });
    if (!(data instanceof Float32Array) || data.length !== elements) {
      throw invalid(
        `parameter '${name}'`,
        `Float32Array(${elements}) of shape (${tensor.shape.join(', ')})`,
        data,
        'SHAPE',
      );
    }
    checkFinite(`parameter '${name}'`, data);
  }
  for (const name of state.keys()) {
    if (!graph.states.has(name)) throw new FlashbookError('SHAPE', `the model has no parameter '${name}'`, { name });
  }
}

function checkFinite(name: string, data: Float32Array): void {
  const index = data.findIndex((value) => !Number.isFinite(value));
  if (index >= 0) throw new FlashbookError('NUMERIC', `${name}: element ${index} is ${data[index]}`, { name, index });
}
