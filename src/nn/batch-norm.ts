import { batchNorm, batchNormFrozen, elements, type Tensor } from '../graph/index.js';
import type { ForwardOptions } from './dropout.js';
import { Module } from './module.js';

/**
 * Batch normalisation of every channel (the last axis), with PyTorch's names, start and defaults (Ioffe & Szegedy 2015). In training it
 * uses the batch's mean and variance and moves the running ones towards them: r ← (1 − momentum)·r + momentum·batch, the
 * variance unbiased. In prediction it uses the running ones.
 */
export class BatchNorm extends Module {
  readonly weight;
  readonly bias;
  readonly runningMean;
  readonly runningVariance;

  constructor(
    readonly channels: number,
    readonly eps = 1e-5,
    readonly momentum = 0.1,
  ) {
    super();
    this.weight = this.parameter('weight', [channels], { kind: 'ones' });
    this.bias = this.parameter('bias', [channels], { kind: 'zeros' });
    this.runningMean = this.buffer('runningMean', [channels], { kind: 'zeros' });
    this.runningVariance = this.buffer('runningVariance', [channels], { kind: 'ones' });
  }

  forward(x: Tensor, { rng }: ForwardOptions = {}): Tensor {
    const { graph } = x;
    const [gamma, beta] = [this.weight.in(graph), this.bias.in(graph)];
    const [runningMean, runningVariance] = [this.runningMean.in(graph), this.runningVariance.in(graph)];
    if (rng === undefined) {
      const statistics = { gamma, beta, mean: runningMean, variance: runningVariance };
      return batchNormFrozen(x, statistics, { eps: this.eps });
    }
    const { y, mean, variance } = batchNorm(x, gamma, beta, { eps: this.eps });
    const rows = elements(x.shape) / this.channels;
    const unbiased = rows > 1 ? rows / (rows - 1) : 1;
    const moved = (running: Tensor, batch: Tensor, factor: number) =>
      running.scale(1 - this.momentum).add(batch.scale(this.momentum * factor));
    graph.update(this.runningMean.name, moved(runningMean, mean, 1));
    graph.update(this.runningVariance.name, moved(runningVariance, variance, unbiased));
    return y;
  }
}
