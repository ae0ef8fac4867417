/** Every operation by name: the list that plans, tests and the kernel registry agree on. */
import type { Operation } from '../operation.js';
import { addOperation } from './add.js';
import { ascendListOperation } from './ascend-list.js';
import { attentionOperation } from './attention.js';
import { attentionGradOperation } from './attention-grad.js';
import { attentionLastOperation } from './attention-last.js';
import { batchNormOperation } from './batch-norm.js';
import { batchNormFrozenOperation } from './batch-norm-frozen.js';
import { batchNormGradOperation } from './batch-norm-grad.js';
import { blendListOperation } from './blend-list.js';
import { centreListOperation } from './centre-list.js';
import { clampListOperation } from './clamp-list.js';
import { clipNormOperation } from './clip-norm.js';
import { concatOperation } from './concat.js';
import { conv2dOperation } from './conv2d.js';
import { conv2dGradInputOperation } from './conv2d-grad-input.js';
import { conv2dGradWeightOperation } from './conv2d-grad-weight.js';
import { dropPathOperation } from './drop-path.js';
import { dropoutOperation } from './dropout.js';
import { dropoutAddOperation } from './dropout-add.js';
import { dropoutAddNormGradOperation } from './dropout-add-norm-grad.js';
import { embeddingOperation } from './embedding.js';
import { embeddingGradOperation } from './embedding-grad.js';
import { expOperation } from './exp.js';
import { expertsOperation } from './experts.js';
import { expertsGradOperation } from './experts-grad.js';
import { geluOperation } from './gelu.js';
import { geluDropoutOperation } from './gelu-dropout.js';
import { geluDropoutGradOperation } from './gelu-dropout-grad.js';
import { geluDropoutWithSlopeOperation } from './gelu-dropout-with-slope.js';
import { geluGradOperation } from './gelu-grad.js';
import { geluWithSlopeOperation } from './gelu-with-slope.js';
import { huberOperation } from './huber.js';
import { huberGradOperation } from './huber-grad.js';
import { layerNormOperation } from './layer-norm.js';
import { layerNormGradOperation } from './layer-norm-grad.js';
import { leakyReluOperation } from './leaky-relu.js';
import { leakyReluGradOperation } from './leaky-relu-grad.js';
import { linearOperation } from './linear.js';
import { loadBalanceOperation } from './load-balance.js';
import { logOperation } from './log.js';
import { lstmOperation } from './lstm.js';
import { lstmGradOperation } from './lstm-grad.js';
import { matmulOperation } from './matmul.js';
import { matmulSumRowsOperation } from './matmul-sum-rows.js';
import { maxPool2dOperation } from './max-pool2d.js';
import { maxPool2dGradOperation } from './max-pool2d-grad.js';
import { mulOperation } from './mul.js';
import { pinballOperation } from './pinball.js';
import { pinballGradOperation } from './pinball-grad.js';
import { qlinearOperation } from './qlinear.js';
import { qlinearStaticOperation } from './qlinear-static.js';
import { reluOperation } from './relu.js';
import { reluGradOperation } from './relu-grad.js';
import { reshapeOperation } from './reshape.js';
import { rotaryOperation } from './rotary.js';
import { routeOperation } from './route.js';
import { routeGradOperation } from './route-grad.js';
import { routerZLossOperation } from './router-z-loss.js';
import { routerZLossGradOperation } from './router-z-loss-grad.js';
import { scaleOperation } from './scale.js';
import { selectStepOperation } from './select-step.js';
import { selectStepGradOperation } from './select-step-grad.js';
import { sigmoidOperation } from './sigmoid.js';
import { sigmoidGradOperation } from './sigmoid-grad.js';
import { sliceOperation } from './slice.js';
import { softCrossEntropyOperation } from './soft-cross-entropy.js';
import { softCrossEntropyGradOperation } from './soft-cross-entropy-grad.js';
import { softmaxOperation } from './softmax.js';
import { softmaxCrossEntropyOperation } from './softmax-cross-entropy.js';
import { softmaxCrossEntropyGradOperation } from './softmax-cross-entropy-grad.js';
import { standardizeOperation } from './standardize.js';
import { sumRowsOperation } from './sum-rows.js';
import { sumSquaresOperation } from './sum-squares.js';
import { tanhOperation } from './tanh.js';
import { tanhGradOperation } from './tanh-grad.js';
import { transposeOperation } from './transpose.js';
import { unfoldOperation } from './unfold.js';
import { unscaleListOperation } from './unscale-list.js';
import { updateAdamOperation } from './update-adam.js';
import { updateLambOperation } from './update-lamb.js';
import { updateSgdOperation } from './update-sgd.js';
import { weightNormOperation } from './weight-norm.js';
import { weightNormGradOperation } from './weight-norm-grad.js';

const ALL = [
  linearOperation,
  qlinearOperation,
  qlinearStaticOperation,
  matmulOperation,
  matmulSumRowsOperation,
  addOperation,
  mulOperation,
  scaleOperation,
  standardizeOperation,
  reluOperation,
  reluGradOperation,
  geluOperation,
  geluGradOperation,
  geluWithSlopeOperation,
  layerNormOperation,
  layerNormGradOperation,
  attentionOperation,
  attentionGradOperation,
  attentionLastOperation,
  dropoutOperation,
  dropPathOperation,
  dropoutAddOperation,
  dropoutAddNormGradOperation,
  geluDropoutOperation,
  geluDropoutGradOperation,
  geluDropoutWithSlopeOperation,
  selectStepOperation,
  selectStepGradOperation,
  embeddingOperation,
  embeddingGradOperation,
  concatOperation,
  sliceOperation,
  reshapeOperation,
  softmaxOperation,
  softmaxCrossEntropyOperation,
  softmaxCrossEntropyGradOperation,
  softCrossEntropyOperation,
  softCrossEntropyGradOperation,
  sumRowsOperation,
  sumSquaresOperation,
  leakyReluOperation,
  leakyReluGradOperation,
  tanhOperation,
  tanhGradOperation,
  sigmoidOperation,
  sigmoidGradOperation,
  expOperation,
  logOperation,
  transposeOperation,
  rotaryOperation,
  huberOperation,
  huberGradOperation,
  pinballOperation,
  pinballGradOperation,
  clipNormOperation,
  clampListOperation,
  unscaleListOperation,
  centreListOperation,
  updateAdamOperation,
  updateSgdOperation,
  updateLambOperation,
  blendListOperation,
  ascendListOperation,
  conv2dOperation,
  conv2dGradInputOperation,
  conv2dGradWeightOperation,
  unfoldOperation,
  maxPool2dOperation,
  maxPool2dGradOperation,
  batchNormOperation,
  batchNormGradOperation,
  batchNormFrozenOperation,
  weightNormOperation,
  weightNormGradOperation,
  lstmOperation,
  lstmGradOperation,
  routeOperation,
  routeGradOperation,
  loadBalanceOperation,
  routerZLossOperation,
  routerZLossGradOperation,
  expertsOperation,
  expertsGradOperation,
] as unknown as readonly Operation[];

export const OPERATIONS: ReadonlyMap<string, Operation> = new Map(ALL.map((operation) => [operation.name, operation]));
