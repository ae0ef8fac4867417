import { invalid } from '../core/errors.js';
import { finite } from '../core/options.js';
import { exp, softCrossEntropy, softmaxCrossEntropy, type Tensor } from '../graph/index.js';

export interface HorizonLossOptions {
  /** ε: the target is (1 − ε)·onehot + ε/C. Source: Szegedy et al. 2016, "Rethinking the Inception Architecture", §7. */
  labelSmoothing: number;
  /** Weight of each horizon's loss in the sum. */
  horizonWeights: readonly number[];
  /** Targets are weights of classes, f32 (B, classes), smoothed already; else classes, i32 (B). */
  softTargets?: boolean;
  /** γ of the focal loss (Lin et al. 2017, "Focal Loss for Dense Object Detection", eq. 5); needs soft targets. */
  focalGamma?: number;
  /** Further weights of the horizons, one input f32 (1) each, in place of a constant 1. */
  weightInputs?: readonly Tensor[];
  /** Learn how much each horizon counts: parameters `loss.logVariance.<h>`. */
  learnHorizonWeights?: boolean;
}

/** Name of the parameter s_h = log σ_h² of a horizon whose weight is learned. */
export function logVariance(horizon: number): string {
  return `loss.logVariance.${horizon}`;
}

/** Checks the weights of `horizons` losses; all 1 where none are given. */
export function checkHorizonWeights(weights: readonly number[] | undefined, horizons: number): number[] {
  if (weights === undefined) return new Array(horizons).fill(1);
  if (!Array.isArray(weights) || weights.length !== horizons) {
    throw invalid('horizonWeights', `a list of ${horizons} numbers, one a horizon`, weights);
  }
  for (const [i, weight] of weights.entries()) finite(`horizonWeights[${i}]`, weight, 0);
  if (weights.every((w) => w === 0)) throw invalid('horizonWeights', 'at least one weight above 0', weights);
  return [...weights];
}

/**
 * The training loss in a graph: L = Σ_h w_h · CE_h, where CE_h is the mean smoothed cross-entropy over the rows whose
 * target of horizon h is not −1 (0 where there is none). With learned weights it is
 *
 *     L = Σ_h w_h · (e^(−s_h) CE_h + s_h/2),   s_h = log σ_h²
 *
 * Source: Kendall, Gal & Cipolla 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses", eq. 10 for classification.
 *
 * @param logits one tensor (B, classes) a horizon
 * @param targets one tensor a horizon, i32 (B) or f32 (B, classes)
 */
export function horizonLoss(
  logits: readonly Tensor[],
  targets: readonly Tensor[],
  options: HorizonLossOptions,
): Tensor {
  let total: Tensor | undefined;
  for (const [h, weight] of options.horizonWeights.entries()) {
    if (weight === 0) continue;
    const loss = oneLoss(logits[h], targets[h], h, options);
    const now = options.weightInputs === undefined ? loss : loss.mul(options.weightInputs[h]);
    const weighted = weight === 1 ? now : now.scale(weight);
    total = total === undefined ? weighted : total.add(weighted);
  }
  return total!;
}

function oneLoss(logits: Tensor, target: Tensor, h: number, options: HorizonLossOptions): Tensor {
  const { labelSmoothing: smoothing, softTargets, focalGamma: gamma = 0, learnHorizonWeights } = options;
  const { loss } = softTargets
    ? softCrossEntropy(logits, target, { gamma })
    : softmaxCrossEntropy(logits, target, { smoothing });
  if (!learnHorizonWeights) return loss;
  const s = logits.graph.state(logVariance(h), [1], 'f32', { trainable: true });
  return exp(s.scale(-1)).mul(loss).add(s.scale(0.5));
}

/** Running sums of one horizon's losses and hits, in float64 from float32 logits: the measure of evaluations. */
export class LossSum {
  readonly #smoothing: number;
  loss = 0;
  hits = 0;
  /** Rows with a target. */
  rows = 0;

  constructor(labelSmoothing: number) {
    this.#smoothing = labelSmoothing;
  }

  /**
   * Takes `count` rows of `logits` (count × classes, row-major). Rows with target −1 are ignored. Of equal largest
   * logits the first counts as the prediction.
   */
  add(logits: Float32Array, targets: Int32Array, count: number, classes: number): void {
    for (let row = 0; row < count; row++) {
      const target = targets[row];
      if (target < 0) continue;
      const at = row * classes;
      let largest = Number.NEGATIVE_INFINITY;
      let predicted = 0;
      let mean = 0;
      for (let c = 0; c < classes; c++) {
        const logit = logits[at + c];
        mean += logit / classes;
        if (logit > largest) {
          largest = logit;
          predicted = c;
        }
      }
      let sum = 0;
      for (let c = 0; c < classes; c++) sum += Math.exp(logits[at + c] - largest);
      const logSum = largest + Math.log(sum);
      // −Σ_c q_c (x_c − logSum) with q = (1 − ε)·onehot + ε/C
      this.loss += logSum - (1 - this.#smoothing) * logits[at + target] - this.#smoothing * mean;
      this.rows++;
      if (predicted === target) this.hits++;
    }
  }
}
