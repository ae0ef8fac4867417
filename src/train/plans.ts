import {
  autocast,
  compilePlan,
  differentiate,
  fuseDropout,
  fuseLinear,
  fuseMatmul,
  fuseNormGrad,
  fuseResidualGrad,
  fuseSumRows,
  Graph,
  type Pass,
  type Precision,
  readRowsOnly,
  recomputeActivations,
  storeGeluSlope,
  type Tensor,
  unscaleList,
} from '../graph/index.js';
import type { Device } from '../native/index.js';
import type { PlanSpec } from '../native/plan-spec.js';
import type { AuxiliaryLoss, ReturnForecast } from '../nn/index.js';
import { gradientName, type OptimizerParameter } from '../optim/index.js';
import { type HorizonLossOptions, horizonLoss } from './losses.js';
import type { TrainableModel } from './model.js';
import { checkReturnHeads, type ResolvedRegression, returnLoss, returnOutputs } from './regression.js';

/** Sizes of a batch of windows. */
export interface BatchShape {
  batch: number;
  /** Rows of a window. */
  steps: number;
  /** Columns of a row. */
  columns: number;
}

/** A graph of the model with what the trainer must know of it. */
export interface ModelGraph {
  graph: Graph;
  /** Number of classes of each horizon. */
  classes: number[];
  /** Names of the parameters that the loss depends on; none in an evaluation. */
  trained: string[];
  /** The plan, with the passes that are right for it and for the device, by default the processor. */
  compile(device?: Pick<Device, 'name'>): PlanSpec;
}

export interface GradientOptions extends HorizonLossOptions {
  /** 'bf16': see `autocast`. Default 'f32'. */
  precision?: Precision;
  /** Gradients of so many batches make one step: each counts as this part of one. Default 1. */
  accumulate?: number;
  /** The horizons' weights are multiplied by inputs `weight.<h>`, read at every run. */
  inputWeights?: boolean;
  /** The loss is multiplied by an input `scale` f32 (1), the last one, before it is differentiated. */
  scaleLoss?: boolean;
  /** Compute activations again in the backward pass instead of keeping them: `true`, or the number of segments. */
  recompute?: boolean | number;
  /** Compute the last layer for all rows, as most frameworks do, not only for the one that is read: to compare. Default false. */
  wholeLastLayer?: boolean;
  /** Learn the heads' returns too, from inputs `return.<h>` f32 (B). */
  regression?: ResolvedRegression;
  /** Add to what the gradients' buffers hold, instead of taking its place. Default false. */
  add?: boolean;
}

/**
 * The graph of one gradient computation. The last step is selected as early as can be before it is differentiated, so
 * that the backward pass is as small as the forward one.
 *
 *     inputs   x f32 (B, T, F); target.0 … i32 (B), −1 where a row has no label, or soft ones, f32 (B, classes); rng u32 (4)
 *              with `regression`, return.0 … f32 (B) after the targets, NaN where there is none
 *              with `inputWeights`, weight.0 … f32 (1) before rng
 *     outputs  logits.0 … (B, classes); loss (1), with the losses that modules add of their own (mixtures of experts)
 *     updates  grad/<name> of every parameter
 */
export function gradientGraph(model: TrainableModel, shape: BatchShape, options: GradientOptions): ModelGraph {
  const traced = new Graph();
  const x = traced.input('x', [shape.batch, shape.steps, shape.columns]);
  const {
    accumulate = 1,
    add = false,
    softTargets = false,
    recompute = false,
    inputWeights = false,
    scaleLoss = false,
    precision = 'f32',
    wholeLastLayer = false,
    regression,
  } = options;
  const classes = softTargets ? evaluationGraph(model, shape).classes : [];
  for (const h of options.horizonWeights.keys()) {
    if (softTargets) traced.input(`target.${h}`, [shape.batch, classes[h]]);
    else traced.input(`target.${h}`, [shape.batch], 'i32');
  }
  if (regression) for (const h of options.horizonWeights.keys()) traced.input(`return.${h}`, [shape.batch]);
  if (inputWeights) for (const h of options.horizonWeights.keys()) traced.input(`weight.${h}`, [1]);
  const rng = traced.input('rng', [4], 'u32');
  if (scaleLoss) traced.input('scale', [1]);
  const auxiliary: AuxiliaryLoss[] = [];
  const told: ReturnForecast[] = [];
  const heads = model.forward(x, { rng, losses: auxiliary, returns: told });
  outputLogits(traced, heads);
  checkReturnHeads(told, heads.length, regression);
  for (const [h, forecast] of told.entries()) {
    for (const [name, tensor] of returnOutputs(h, forecast)) traced.output(name, tensor);
  }
  for (const [i, { loss }] of auxiliary.entries()) traced.output(auxiliaryName(i), loss);

  const graph = cast(wholeLastLayer ? traced : readRowsOnly(traced, { throughDropout: true }), precision);
  const own = auxiliary.map(({ weight }, i) => graph.outputs.get(auxiliaryName(i))!.scale(weight));
  for (const i of auxiliary.keys()) graph.outputs.delete(auxiliaryName(i));
  const forecasts = told.map((forecast, h): ReturnForecast => {
    const taken = returnOutputs(h, forecast).map(([name]) => {
      const tensor = graph.outputs.get(name)!;
      graph.outputs.delete(name);
      return tensor;
    });
    return { location: taken[0], quantiles: taken[1] };
  });
  const logits = [...graph.outputs.values()];
  const targets = logits.map((_, h) => graph.inputs.get(`target.${h}`)!);
  const weightInputs = inputWeights ? logits.map((_, h) => graph.inputs.get(`weight.${h}`)!) : undefined;
  const task = horizonLoss(logits, targets, { ...options, weightInputs });
  const returns = logits.map((_, h) => graph.inputs.get(`return.${h}`)!);
  const further = regression && returnLoss(forecasts, returns, options.horizonWeights, regression);
  const loss = (further ? [...own, further] : own).reduce((sum, part) => sum.add(part), task);
  graph.output('loss', loss);
  const part = accumulate === 1 ? loss : loss.scale(1 / accumulate);
  const gradients = differentiate(graph, scaleLoss ? part.mul(graph.inputs.get('scale')!) : part);
  for (const [name, gradient] of gradients) {
    const buffer = graph.state(gradientName(name), gradient.shape);
    graph.update(gradientName(name), add ? buffer.add(gradient) : gradient);
  }
  const segments = recompute === true ? {} : { segments: Number(recompute) };
  const again = recompute === false ? [] : [(source: Graph) => recomputeActivations(source, segments)];
  return {
    graph,
    classes: classesOf(logits),
    trained: [...gradients.keys()],
    compile: (device) =>
      compilePlan(graph, { passes: [...again, fuseLinear, fuseDropout, fuseNormGrad, ...forProcessor(device)] }),
  };
}

/** The graph of an evaluation: input x (B, T, F), outputs logits.0 … (B, classes), or with `returns` what the heads tell of them. */
export function evaluationGraph(
  model: TrainableModel,
  { batch, steps, columns }: BatchShape,
  { precision = 'f32', returns = false }: { precision?: Precision; returns?: boolean } = {},
): ModelGraph {
  const traced = new Graph();
  // Heads with regression are traced, so that the graph knows their parameters; what is no output is not computed.
  const told: ReturnForecast[] = [];
  outputLogits(traced, model.forward(traced.input('x', [batch, steps, columns]), { returns: told }));
  if (returns) {
    const all = told.flatMap((forecast, h) => returnOutputs(h, forecast));
    traced.outputs.clear();
    for (const [name, tensor] of all) traced.output(name, tensor);
  }
  const graph = cast(traced, precision);
  const logits = [...graph.outputs.values()];
  return {
    graph,
    classes: classesOf(logits),
    trained: [],
    compile: () => compilePlan(graph, { passes: [readRowsOnly, fuseLinear] }),
  };
}

/** Passes whose operations only the processor has; a device of many cores computes GELU's slope again faster than it reads it. */
function forProcessor(device: Pick<Device, 'name'> | undefined): Pass[] {
  return device?.name.startsWith('cuda') ? [] : [storeGeluSlope, fuseMatmul, fuseResidualGrad, fuseSumRows];
}

function cast(graph: Graph, precision: Precision): Graph {
  return precision === 'bf16' ? autocast(graph) : graph;
}

function auxiliaryName(index: number): string {
  return `auxiliary.${index}`;
}

/**
 * The graph that moves a model's running statistics by one batch and does nothing else: inputs x (B, T, F), rng u32 (4); undefined for a
 * model that has none.
 */
export function statisticsGraph(
  model: TrainableModel,
  { batch, steps, columns }: BatchShape,
  { precision = 'f32' }: { precision?: Precision } = {},
): ModelGraph | undefined {
  const traced = new Graph();
  const x = traced.input('x', [batch, steps, columns]);
  const logits = model.forward(x, { rng: traced.input('rng', [4], 'u32') });
  if (traced.updates.size === 0) return undefined;
  const graph = cast(traced, precision);
  return {
    graph,
    classes: classesOf(logits),
    trained: [],
    compile: () => compilePlan(graph, { passes: [fuseLinear, fuseDropout] }),
  };
}

/** The plan that divides gradients by the loss's factor: input factor (1), output norm (1). */
export function unscaleGraph(parameters: readonly OptimizerParameter[]): PlanSpec {
  const graph = new Graph();
  const factor = graph.input('factor', [1]);
  const gradients = parameters.map(({ name, shape }) => graph.state(gradientName(name), shape));
  graph.output('norm', unscaleList(gradients, factor).norm);
  return compilePlan(graph);
}

function outputLogits(graph: Graph, logits: readonly Tensor[]): void {
  logits.forEach((tensor, h) => void graph.output(`logits.${h}`, tensor));
}

function classesOf(logits: readonly Tensor[]): number[] {
  return logits.map(({ shape }) => shape[shape.length - 1]);
}
