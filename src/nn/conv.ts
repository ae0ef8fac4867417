import { integer } from '../core/options.js';
import { conv1d, conv2d, type Tensor, type WindowOptions, weightNorm } from '../graph/index.js';
import { Module } from './module.js';

export interface Conv1dModuleOptions {
  stride?: number;
  dilation?: number;
  /** Sees this step and earlier ones: all padding lies before the sequence. Default false: `padding` on both sides. */
  causal?: boolean;
  padding?: number;
  /** Learns direction and length of each output's weights apart (Salimans & Kingma 2016). */
  weightNorm?: boolean;
}

/**
 * A convolution along the steps, channels last: (B, T, inputs) → (B, T', outputs). Starts as PyTorch's nn.Conv1d; with weightNorm the
 * directions start so, and every length at 1. The weight is (outputs, 1, kernel, inputs).
 */
export class Conv1d extends Module {
  readonly weight;
  readonly bias;
  readonly gain;

  constructor(
    readonly inputs: number,
    readonly outputs: number,
    readonly kernel: number,
    readonly options: Conv1dModuleOptions = {},
  ) {
    super();
    integer('kernel of a convolution', kernel, 1);
    const init = { kind: 'kaiming', fanIn: inputs * kernel } as const;
    this.weight = this.parameter('weight', [outputs, 1, kernel, inputs], init, { decay: true });
    this.gain = options.weightNorm ? this.parameter('gain', [outputs], { kind: 'ones' }) : undefined;
    this.bias = this.parameter('bias', [outputs], init);
  }

  forward(x: Tensor): Tensor {
    const { stride = 1, dilation = 1, causal = false, padding = 0 } = this.options;
    const { graph } = x;
    const weight = this.gain ? weightNorm(this.weight.in(graph), this.gain.in(graph)) : this.weight.in(graph);
    const around = causal ? ([dilation * (this.kernel - 1), 0] as const) : padding;
    return conv1d(x, weight, this.bias.in(graph), { stride, dilation, padding: around });
  }
}

/**
 * A convolution over images with the channels last: (B, H, W, inputs) → (B, H', W', outputs). Starts as PyTorch's nn.Conv2d. The
 * weight is (outputs, height, width, inputs).
 */
export class Conv2d extends Module {
  readonly weight;
  readonly bias;

  constructor(
    readonly inputs: number,
    readonly outputs: number,
    readonly kernel: readonly [number, number],
    readonly options: WindowOptions = {},
  ) {
    super();
    const init = { kind: 'kaiming', fanIn: inputs * kernel[0] * kernel[1] } as const;
    this.weight = this.parameter('weight', [outputs, ...kernel, inputs], init, { decay: true });
    this.bias = this.parameter('bias', [outputs], init);
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight.in(x.graph), this.bias.in(x.graph), this.options);
  }
}
