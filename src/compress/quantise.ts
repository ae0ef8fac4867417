import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, integer, oneOf } from '../core/options.js';
import {
  type Activation,
  type Graph,
  type LevelScale,
  lstm,
  type Node,
  qlinear,
  qlinearStatic,
  quantiseRow,
  type Rewriter,
  rewriteGraph,
  type Tensor,
  unfoldWindows,
  type WindowAttributes,
} from '../graph/index.js';
import type { TypedArray } from '../native/plan-spec.js';
import { type ActivationScales, type CalibrateOptions, calibrate } from './calibrate.js';
import { weightName } from './weights.js';

/** An int8 matrix (rows × columns, row-major) and the step of each row: w ≈ scales[row] · values. */
export interface QuantisedMatrix {
  values: Int8Array;
  scales: Float32Array;
}

export interface QuantiseOptions {
  /** Names of weights that stay float32. */
  skip?: readonly string[];
  /** Layers with fewer inputs stay float32: they cost little and lose most. Default 32. */
  minimumInputs?: number;
  /**
   * 'dynamic' (default): each row of activations gets its own scale as it comes. 'static': one scale a layer, found beforehand; no look
   * at the row, and from product to product levels instead of float32.
   */
  activations?: 'dynamic' | 'static';
  /** For static activations: windows of the training part as `calibrate` takes them, or the scales that it found. */
  calibration?: Float32Array | ActivationScales;
  /** For static activations, how windows become scales. */
  calibrate?: CalibrateOptions;
}

/** What quantising did to one layer. */
export interface QuantisedLayer {
  /** Name of the weight. */
  name: string;
  rows: number;
  columns: number;
  /** The largest |w − scale · value| of the layer; at most half the largest scale. */
  maxError: number;
  /** Signal to quantisation noise, 10·log10(Σ w² / Σ (w − scale · value)²), in dB. */
  signalToNoiseDb: number;
  /** The scale of the activations that it reads, where it is static. */
  activations?: LevelScale;
}

export interface QuantisedGraph {
  graph: Graph;
  /** Contents of every state buffer of the new graph for which content was given, quantised or unchanged. */
  state: Map<string, TypedArray>;
  layers: QuantisedLayer[];
}

/**
 * Symmetric int8 for a weight matrix, one scale a row (output channel): scale = max|w| / 127,
 * value = clamp(roundHalfEven(w · 127 / max|w|), ±127). The same function quantises activations, in every backend.
 *
 * @param weight row-major, rows × columns, finite.
 */
export function quantiseRows(weight: Float32Array, rows: number, columns: number): QuantisedMatrix {
  if (weight.length !== rows * columns) {
    throw new FlashbookError('SHAPE', `expected ${rows} × ${columns} weights but received ${weight.length}`);
  }
  const values = new Int8Array(weight.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    scales[row] = quantiseRow(weight.subarray(start, start + columns), values.subarray(start, start + columns));
    if (Number.isNaN(scales[row])) {
      throw new FlashbookError('NUMERIC', `row ${row} of the weights holds NaN or infinity and cannot be quantised`, {
        row,
      });
    }
  }
  return { values, scales };
}

/** The float32 matrix that a quantised one stands for. */
export function dequantiseRows({ values, scales }: QuantisedMatrix): Float32Array {
  const columns = values.length / scales.length;
  return Float32Array.from(values, (value, i) => value * scales[Math.floor(i / columns)]);
}

/**
 * int8: every linear whose weight is a state buffer with content becomes a qlinear with int8 weights, one scale
 * an output channel, and activations quantised row by row as they come, or a qlinear_static with activations of one scale that is found
 * beforehand; likewise every convolution (its windows unfolded to rows) and
 * the projection of an LSTM's input. Biases, norms, the recurrent weights and everything else stay float32.
 * The buffer `name` is replaced by `name.int8` and `name.scale`. The argument is left as it was.
 *
 * @param state contents of the graph's state buffers by name.
 * @throws FlashbookError NUMERIC for NaN or infinity among the weights or in calibration, OPTION for a name in `skip` that no such layer
 * has, or for options of calibration that do not fit together.
 */
export function quantiseLinear(
  graph: Graph,
  state: ReadonlyMap<string, TypedArray>,
  options: QuantiseOptions = {},
): QuantisedGraph {
  checkOptions('quantiseLinear', options, ['skip', 'minimumInputs', 'activations', 'calibration', 'calibrate']);
  const { skip = [], minimumInputs = 32 } = options;
  integer('minimumInputs', minimumInputs, 1);
  checkSkip(graph, skip);
  const scales = staticScales(graph, state, options);

  const quantised = new Map<string, QuantisedMatrix>();
  const layers: QuantisedLayer[] = [];
  /** The int8 matrix and the scales of a node's weight, or undefined where it stays float32. */
  const matrixOf = (node: Node, { target }: Rewriter): Matrix | undefined => {
    const name = weightName(node);
    const weight = name === undefined ? undefined : state.get(name);
    if (name === undefined || !(weight instanceof Float32Array)) return undefined;
    const rows = graph.states.get(name)!.tensor.shape[0];
    const columns = weight.length / rows;
    if (skip.includes(name) || columns < minimumInputs) return undefined;
    let matrix = quantised.get(name);
    if (matrix === undefined) {
      matrix = quantiseNamed(name, weight, rows, columns);
      quantised.set(name, matrix);
      layers.push({ ...describeLayer(name, weight, matrix), ...(scales && { activations: scaleOf(scales, name) }) });
    }
    return {
      wq: target.state(`${name}.int8`, [rows, columns], 'i8'),
      scale: target.state(`${name}.scale`, [rows]),
      activations: scales && scaleOf(scales, name),
    };
  };
  const rewritten = rewriteGraph(graph, (node, rewriter) => {
    const matrix = matrixOf(node, rewriter);
    return matrix && quantisedNode(node, rewriter, matrix);
  });

  const contents = new Map<string, TypedArray>();
  for (const name of rewritten.states.keys()) {
    const given = state.get(name);
    if (given !== undefined) contents.set(name, given);
  }
  for (const [name, { values, scales }] of quantised) {
    contents.set(`${name}.int8`, values);
    contents.set(`${name}.scale`, scales);
  }
  return { graph: rewritten, state: contents, layers };
}

/** A weight in the new graph, and the scale of what it is multiplied with if that is static. */
interface Matrix {
  wq: Tensor;
  scale: Tensor;
  activations?: LevelScale;
}

/** The scales of static activations, or undefined for dynamic ones. */
function staticScales(
  graph: Graph,
  state: ReadonlyMap<string, TypedArray>,
  { activations = 'dynamic', calibration, calibrate: how }: QuantiseOptions,
): ActivationScales | undefined {
  oneOf('activations', activations, ['dynamic', 'static']);
  if (activations === 'dynamic') {
    if (calibration === undefined && how === undefined) return undefined;
    throw invalid('activations', "'static' where there is a calibration", activations);
  }
  if (calibration instanceof Map) return calibration;
  if (calibration instanceof Float32Array) return calibrate(graph, state, calibration, how);
  throw invalid('calibration', 'windows in a Float32Array, or the scales that calibrate() gives', calibration);
}

function scaleOf(scales: ActivationScales, name: string): LevelScale {
  const found = scales.get(name);
  if (found !== undefined) return found;
  throw new FlashbookError('OPTION', `the calibration has no scale for what the layer '${name}' reads`, { name });
}

/** The node with its weight in int8. */
function quantisedNode(node: Node, rewriter: Rewriter, { wq, scale, activations }: Matrix): Tensor[] {
  const product = (
    x: Tensor,
    bias: Tensor | undefined,
    options: { activation?: Activation; residual?: Tensor } = {},
  ): Tensor =>
    activations === undefined
      ? qlinear(x, wq, scale, bias, options)
      : qlinearStatic(x, wq, scale, bias, { ...options, x: activations });
  const mapped = (i: number) => node.inputs[i] && rewriter.get(node.inputs[i]);
  const x = mapped(0)!;
  if (node.operation.name === 'conv2d') {
    const [, kernelH, kernelW] = node.inputs[1]!.shape;
    const windows = unfoldWindows(x, { ...(node.attrs as WindowAttributes), kernelH, kernelW });
    return [product(windows, mapped(2))];
  }
  if (node.operation.name === 'lstm') {
    return [lstm(product(x, mapped(3)), { wHidden: mapped(1)! })];
  }
  const activation = node.attrs.activation as Activation;
  return [product(x, mapped(2), { activation, residual: mapped(3) })];
}

function quantiseNamed(name: string, weight: Float32Array, rows: number, columns: number): QuantisedMatrix {
  try {
    return quantiseRows(weight, rows, columns);
  } catch (cause) {
    const { code, message, details } = cause as FlashbookError;
    throw new FlashbookError(code, `weight '${name}': ${message}`, { name, ...details }, { cause });
  }
}

function describeLayer(name: string, weight: Float32Array, matrix: QuantisedMatrix): QuantisedLayer {
  const rows = matrix.scales.length;
  const columns = weight.length / rows;
  let maxError = 0;
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < weight.length; i++) {
    const error = weight[i] - matrix.values[i] * matrix.scales[Math.floor(i / columns)];
    maxError = Math.max(maxError, Math.abs(error));
    signal += weight[i] ** 2;
    noise += error ** 2;
  }
  return { name, rows, columns, maxError, signalToNoiseDb: 10 * Math.log10(signal / noise) };
}

function checkSkip(graph: Graph, skip: readonly string[]): void {
  for (const name of skip) {
    const used = graph.nodes.some((node) => weightName(node) === name);
    if (!used)
      throw new FlashbookError('OPTION', `skip names '${name}', which is the weight of no linear layer`, { name });
  }
}
