/** The layers of BiN-CTABL: two-dimensional normalisation and bilinear maps of a window (steps × features). */
import { layerNorm, linear, sigmoid, softmax, type Tensor, transpose } from '../graph/index.js';
import { Module } from './module.js';

/**
 * Bilinear normalisation (Tran et al. 2021, arXiv:2003.00598, eq. 1–9): the window normalised along its steps and along its
 * features, both scaled and shifted, and mixed by two learnt weights of at least 0. (B, T, D) → (B, T, D).
 */
export class BilinearNorm extends Module {
  readonly stepWeight;
  readonly stepBias;
  readonly featureWeight;
  readonly featureBias;
  readonly stepShare;
  readonly featureShare;

  constructor(
    readonly steps: number,
    readonly features: number,
  ) {
    super();
    this.stepWeight = this.parameter('stepWeight', [features], { kind: 'ones' });
    this.stepBias = this.parameter('stepBias', [features], { kind: 'zeros' });
    this.featureWeight = this.parameter('featureWeight', [steps], { kind: 'ones' });
    this.featureBias = this.parameter('featureBias', [steps], { kind: 'zeros' });
    this.stepShare = this.parameter('stepShare', [], { kind: 'constant', value: 0.5 });
    this.featureShare = this.parameter('featureShare', [], { kind: 'constant', value: 0.5 });
  }

  forward(x: Tensor): Tensor {
    const { graph } = x;
    const along = transpose(normalised(transpose(x)))
      .mul(this.stepWeight.in(graph))
      .add(this.stepBias.in(graph));
    const across = transpose(
      transpose(normalised(x)).mul(this.featureWeight.in(graph)).add(this.featureBias.in(graph)),
    );
    return along.mul(this.stepShare.in(graph).relu()).add(across.mul(this.featureShare.in(graph).relu()));
  }
}

/** Each row without its mean, over its deviation. */
function normalised(x: Tensor): Tensor {
  const width = x.shape[x.shape.length - 1];
  const ones = x.graph.constant(`constant.ones.${width}`, [width], new Float32Array(width).fill(1));
  const zeros = x.graph.constant(`constant.zeros.${width}`, [width], new Float32Array(width));
  return layerNorm(x, ones, zeros);
}

export interface BilinearSizes {
  steps: number;
  features: number;
  outSteps: number;
  outFeatures: number;
}

/** W₁·x·W₂ + B over features and steps: (B, T, D) → (B, T', D'). */
export class BilinearLayer extends Module {
  readonly stepWeight;
  readonly featureWeight;
  readonly bias;

  constructor({ steps, features, outSteps, outFeatures }: BilinearSizes) {
    super();
    this.stepWeight = this.parameter(
      'stepWeight',
      [outSteps, steps],
      { kind: 'kaiming', fanIn: steps },
      { decay: true },
    );
    this.featureWeight = this.parameter(
      'featureWeight',
      [outFeatures, features],
      { kind: 'kaiming', fanIn: features },
      { decay: true },
    );
    this.bias = this.parameter('bias', [outSteps, outFeatures], { kind: 'zeros' });
  }

  forward(x: Tensor): Tensor {
    const { graph } = x;
    const mixed = transpose(linear(transpose(x), this.stepWeight.in(graph)));
    return linear(mixed, this.featureWeight.in(graph)).add(this.bias.in(graph));
  }
}

/**
 * Temporal attention augmented bilinear layer (Tran et al. 2018, arXiv:1712.00975, eq. 4–8): x̄ = W₁·x, each of its rows weighed over
 * the steps by a = softmax(x̄·W), whose diagonal is held at 1/T, then (λ·(x̄∘a) + (1 − λ)·x̄)·W₂ + B. λ = σ(share) starts at ½.
 * (B, T, D) → (B, D', T').
 */
export class TemporalAttentionBilinear extends Module {
  readonly stepWeight;
  readonly featureWeight;
  readonly attention;
  readonly share;
  readonly bias;

  constructor(readonly sizes: BilinearSizes) {
    super();
    const { steps, features, outSteps, outFeatures } = sizes;
    this.featureWeight = this.parameter(
      'featureWeight',
      [outFeatures, features],
      { kind: 'kaiming', fanIn: features },
      { decay: true },
    );
    this.attention = this.parameter(
      'attention',
      [steps, steps],
      { kind: 'constant', value: 1 / steps },
      { decay: true },
    );
    this.share = this.parameter('share', [], { kind: 'zeros' });
    this.stepWeight = this.parameter(
      'stepWeight',
      [outSteps, steps],
      { kind: 'kaiming', fanIn: steps },
      { decay: true },
    );
    this.bias = this.parameter('bias', [outFeatures, outSteps], { kind: 'zeros' });
  }

  forward(x: Tensor): Tensor {
    const { graph } = x;
    const { steps } = this.sizes;
    const diagonal = (on: number, off: number) =>
      Float32Array.from({ length: steps * steps }, (_, i) => (i % (steps + 1) === 0 ? on : off));
    const others = graph.constant(`constant.offDiagonal.${steps}`, [steps, steps], diagonal(0, 1));
    const held = graph.constant(`constant.uniformDiagonal.${steps}`, [steps, steps], diagonal(1 / steps, 0));
    const rows = transpose(linear(x, this.featureWeight.in(graph)));
    const weights = softmax(linear(rows, this.attention.in(graph).mul(others).add(held)));
    const difference = rows
      .mul(weights)
      .add(rows.scale(-1))
      .mul(sigmoid(this.share.in(graph)));
    return linear(rows.add(difference), this.stepWeight.in(graph)).add(this.bias.in(graph));
  }
}
