/**
 * The graph: symbolic tensors, operations, differentiation, passes, plans, and the float64 interpreter.
 *
 *   const g = new Graph();
 *   const x = g.input('x', [8, 6]);
 *   const y = linear(x, g.state('w', [3, 6], 'f32', { trainable: true }));
 *   g.output('y', y);
 *   const plan = compilePlan(g);                                   // for a Device
 *   const { outputs } = interpret(g, { inputs: { x: … }, state: { w: … } });   // the oracle
 *
 * State. `stateSpecs(...graphs)` lists the buffers that a State needs for the plans of these graphs, and
 * `constants(...graphs)` the contents of those that the graphs themselves fix (positions, the 1 that differentiation starts
 * from): set them once after createState. A pass drops states that it makes superfluous, so take the specs from the
 * graphs that were compiled, or from the original ones to have them all.
 *
 * Passes are functions Graph → Graph and keep the names of inputs, states, outputs and updates. `rewriteGraph` is the tool
 * to write one. For training: build, readRowsOnly(g, { throughDropout: true }), differentiate, compilePlan.
 */
export { type Block, placeBlocks } from './arena.js';
export { type Precision, roundBf16 } from './bf16.js';
export { differentiate } from './differentiate.js';
export {
  constants,
  Graph,
  type Node,
  type StateDeclaration,
  sourceName,
  stateSpecs,
  Tensor,
} from './ir.js';
export { type LevelScale, levelOf, levelScale } from './levels.js';
export * from './onnx-lowering.js';
export type { Attributes, DType, NodeView, Operation, Shape, TensorType, Value } from './operation.js';
export { elements } from './operation.js';
export { add } from './ops/add.js';
export { ascendList } from './ops/ascend-list.js';
export { attention } from './ops/attention.js';
export { attentionLast } from './ops/attention-last.js';
export { type AttentionPattern, alibiSlopes } from './ops/attention-pattern.js';
export { batchNorm } from './ops/batch-norm.js';
export { batchNormFrozen } from './ops/batch-norm-frozen.js';
export { blendList } from './ops/blend-list.js';
export { centreList } from './ops/centre-list.js';
export { clampList } from './ops/clamp-list.js';
export { clipNorm } from './ops/clip-norm.js';
export { concat } from './ops/concat.js';
export { type Conv1dOptions, type ConvolutionOptions, conv1d, conv2d } from './ops/conv2d.js';
export { dropPath } from './ops/drop-path.js';
export { dropout } from './ops/dropout.js';
export { embedding } from './ops/embedding.js';
export { exp } from './ops/exp.js';
export { type ExpertWeights, experts } from './ops/experts.js';
export { gelu } from './ops/gelu.js';
export { huber } from './ops/huber.js';
export { OPERATIONS } from './ops/index.js';
export { layerNorm } from './ops/layer-norm.js';
export { leakyRelu } from './ops/leaky-relu.js';
export { type Activation, linear } from './ops/linear.js';
export { loadBalance } from './ops/load-balance.js';
export { log } from './ops/log.js';
export { type LstmWeights, lstm } from './ops/lstm.js';
export { matmul } from './ops/matmul.js';
export { maxPool2d } from './ops/max-pool2d.js';
export { mul } from './ops/mul.js';
export { pinball } from './ops/pinball.js';
export { qlinear, quantiseRow, roundHalfEven } from './ops/qlinear.js';
export { qlinearStatic, type StaticLinearOptions } from './ops/qlinear-static.js';
export { relu } from './ops/relu.js';
export { reshape } from './ops/reshape.js';
export { type RotaryLayout, rotary } from './ops/rotary.js';
export { route } from './ops/route.js';
export { routerZLoss } from './ops/router-z-loss.js';
export { scale } from './ops/scale.js';
export { selectStep } from './ops/select-step.js';
export { sigmoid } from './ops/sigmoid.js';
export { slice } from './ops/slice.js';
export { softCrossEntropy } from './ops/soft-cross-entropy.js';
export { softmax } from './ops/softmax.js';
export { softmaxCrossEntropy } from './ops/softmax-cross-entropy.js';
export { standardize } from './ops/standardize.js';
export { sumRows } from './ops/sum-rows.js';
export { sumSquares } from './ops/sum-squares.js';
export { tanh } from './ops/tanh.js';
export { transpose } from './ops/transpose.js';
export { unfold, unfoldWindows } from './ops/unfold.js';
export { unscaleList } from './ops/unscale-list.js';
export { updateAdam } from './ops/update-adam.js';
export { updateLamb } from './ops/update-lamb.js';
export { updateSgd } from './ops/update-sgd.js';
export { weightNorm } from './ops/weight-norm.js';
export { autocast } from './passes/autocast.js';
export { fuseDropout } from './passes/fuse-dropout.js';
export { fuseLinear } from './passes/fuse-linear.js';
export { fuseMatmul } from './passes/fuse-matmul.js';
export { fuseNormGrad } from './passes/fuse-norm-grad.js';
export { fuseResidualGrad } from './passes/fuse-residual-grad.js';
export { fuseSumRows } from './passes/fuse-sum-rows.js';
export { readRowsOnly } from './passes/read-rows-only.js';
export { type RecomputeOptions, recomputeActivations } from './passes/recompute.js';
export { requantise } from './passes/requantise.js';
export { storeGeluSlope } from './passes/store-gelu-slope.js';
export { type CompileOptions, compilePlan, type Pass } from './plan.js';
export { printGraph } from './print.js';
export { type Interpretation, type InterpretOptions, interpret } from './reference.js';
export { countUses, liveNodes, type Rewriter, type Rule, rewriteGraph, withoutDeadCode } from './rewrite.js';
export type { WindowAttributes, WindowOptions } from './sliding-window.js';
export { type GraphStatistics, graphStatistics, type OperationStatistics } from './statistics.js';
