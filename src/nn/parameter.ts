import type { Graph, Tensor } from '../graph/index.js';

/**
 * How a parameter starts. Bounds are those of PyTorch:
 *   kaiming: uniform ±1/√fanIn (kaiming_uniform_ with a = √5: the default of nn.Linear, for weights and biases);
 *   xavier: uniform ±√(6/(fanIn + fanOut)) (Glorot & Bengio 2010: the packed projection of nn.MultiheadAttention);
 *   normal: mean 0 and the given standard deviation, but zeros in the row `zeroRow` of the first axis; constant: the value.
 */
export type Init =
  | { kind: 'zeros' }
  | { kind: 'ones' }
  | { kind: 'kaiming'; fanIn: number }
  | { kind: 'xavier'; fanIn: number; fanOut: number }
  | { kind: 'normal'; std: number; zeroRow?: number | undefined }
  | { kind: 'constant'; value: number };

/** What a module knows of one of its parameters. */
export interface ParameterInfo {
  /** Path in the model, as PyTorch would say it: encoder.0.attention.qkv.weight. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
  /** True if weight decay applies: weights do, biases and norms do not. */
  readonly decay: boolean;
  /** False for buffers, which a model keeps but does not learn: running statistics. They are saved and loaded with the parameters. */
  readonly trainable: boolean;
}

/** A learnt tensor of a module, or a buffer. Its name follows from the place of the module in the model. */
export class Parameter {
  constructor(
    readonly owner: { readonly path: string },
    readonly localName: string,
    readonly shape: readonly number[],
    readonly init: Init,
    readonly decay: boolean,
    readonly trainable = true,
  ) {}

  get name(): string {
    return this.owner.path === '' ? this.localName : `${this.owner.path}.${this.localName}`;
  }

  /** The state of that name in a graph. */
  in(graph: Graph): Tensor {
    return graph.state(this.name, this.shape, 'f32', { trainable: this.trainable });
  }
}
