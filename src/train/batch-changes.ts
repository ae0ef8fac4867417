import { invalid } from '../core/errors.js';
import { finite } from '../core/options.js';
import { Random } from '../core/random.js';
import { type Augmentation, cutmix, type Mix, mixup } from '../data/index.js';
import type { Windows } from './windows.js';

export interface BatchChangeOptions {
  seed: number;
  augment: readonly Augmentation[];
  /** α of mixup; 0: none. */
  mixup: number;
  /** α of CutMix; 0: none. With both, each batch takes one or the other. */
  cutmix: number;
  labelSmoothing: number;
  /** One list a horizon, one weight a class. */
  classWeights: readonly (readonly number[])[] | undefined;
  /** γ of the focal loss. */
  focalGamma: number;
}

/**
 * What is made of a gathered batch before it is learned from: augmented windows, mixed windows, weighted soft targets. Everything is
 * drawn from the seed and the number of the batch, so that a resumed run draws the same.
 */
export class BatchChanges {
  readonly #options: BatchChangeOptions;
  readonly #windows: Pick<Windows, 'steps' | 'columns'>;
  readonly #classes: readonly number[];
  readonly #scratch: Float32Array;

  constructor(options: BatchChangeOptions, windows: Pick<Windows, 'steps' | 'columns'>, classes: readonly number[]) {
    this.#options = options;
    this.#windows = windows;
    this.#classes = classes;
    this.#scratch = new Float32Array(windows.steps * windows.columns);
  }

  /** Whether the loss takes soft targets: those of `soft`; else the classes themselves. */
  get softTargets(): boolean {
    const { mixup: m, cutmix: c, classWeights, focalGamma } = this.#options;
    return m > 0 || c > 0 || classWeights !== undefined || focalGamma > 0;
  }

  /**
   * Changes a batch in place.
   *
   * @param number of the batch, from 1: the step, without accumulation
   * @param x (B, steps, columns)
   * @param targets the classes, one array (B) a horizon
   * @param soft where the weighted targets go, one array (B, classes) a horizon; empty without soft targets
   */
  apply(number: number, x: Float32Array, targets: readonly Int32Array[], soft: readonly Float32Array[]): void {
    const { seed, augment, mixup: mixupAlpha, cutmix: cutmixAlpha } = this.#options;
    const windows = targets[0].length;
    // Streams of training batches: far from those of epochs, which shuffle with small numbers.
    const random = new Random(seed, 0x4000_0000 + number);
    if (augment.length > 0) this.#augment(x, windows, random);
    let mix: Mix | undefined;
    const cuts = cutmixAlpha > 0 && (mixupAlpha === 0 || random.float() < 0.5);
    if (cuts) mix = cutmix(x, windows, this.#windows, cutmixAlpha, random);
    else if (mixupAlpha > 0) mix = mixup(x, windows, mixupAlpha, random);
    for (const [h, out] of soft.entries()) this.#soften(h, targets[h], mix, out);
  }

  #augment(x: Float32Array, windows: number, random: Random): void {
    const size = this.#scratch.length;
    for (let i = 0; i < windows; i++) {
      const window = x.subarray(i * size, (i + 1) * size);
      for (const each of this.#options.augment) {
        if (random.float() < each.probability) each.apply(window, this.#scratch, this.#windows, random);
      }
    }
  }

  /**
   * q[i, c] = w[c] · (λ ((1 − ε) [c = y_i] + ε/C) + (1 − λ) ((1 − ε) [c = y_j] + ε/C)); a label that is missing adds nothing.
   */
  #soften(h: number, target: Int32Array, mix: Mix | undefined, out: Float32Array): void {
    const { labelSmoothing: epsilon, classWeights } = this.#options;
    const classes = this.#classes[h];
    const weights = classWeights?.[h];
    const add = (row: number, label: number, share: number) => {
      if (label < 0 || share === 0) return;
      for (let c = 0; c < classes; c++) {
        const wanted = (c === label ? 1 - epsilon : 0) + epsilon / classes;
        out[row * classes + c] += share * (weights?.[c] ?? 1) * wanted;
      }
    };
    out.fill(0);
    for (let i = 0; i < target.length; i++) {
      add(i, target[i], mix?.own ?? 1);
      if (mix !== undefined) add(i, target[mix.partner[i]], 1 - mix.own);
    }
  }
}

/**
 * The class weights of an option: those given, or balanced ones.
 * @throws FlashbookError OPTION where they do not fit the model's classes
 */
export function resolveClassWeights(
  weights: 'balanced' | readonly (readonly number[])[] | undefined,
  windows: Windows,
  classes: readonly number[],
): readonly (readonly number[])[] | undefined {
  if (weights === undefined) return undefined;
  if (weights === 'balanced') return balancedClassWeights(windows, classes);
  if (!Array.isArray(weights) || weights.length !== classes.length) {
    throw invalid('classWeights', `'balanced' or a list of ${classes.length} lists, one a horizon`, weights);
  }
  for (const [h, list] of weights.entries()) {
    if (!Array.isArray(list) || list.length !== classes[h]) {
      throw invalid(`classWeights[${h}]`, `a list of ${classes[h]} numbers, one a class`, list);
    }
    for (const [c, weight] of list.entries()) finite(`classWeights[${h}][${c}]`, weight, 0);
  }
  return weights;
}

/**
 * Weights by which every class of a horizon weighs the same in the loss: n/(C · n_c) with n_c labelled windows of class c, and 0
 * for a class that has none. As scikit-learn's class_weight 'balanced'.
 */
export function balancedClassWeights(windows: Windows, classes: readonly number[]): number[][] {
  return classes.map((count, h) => {
    const rows = new Array<number>(count).fill(0);
    for (const label of windows.labels(h)) if (label >= 0) rows[label]++;
    const total = rows.reduce((a, b) => a + b);
    return rows.map((n) => (n === 0 ? 0 : total / (count * n)));
  });
}
