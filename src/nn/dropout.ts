import { finite } from '../core/options.js';
import { dropout, type Tensor } from '../graph/index.js';
import { Module } from './module.js';
import type { ReturnForecast } from './return-head.js';

/** What a forward pass needs besides its operand. */
export interface ForwardOptions {
  /** uint32 (4) [seed low, seed high, step, 0]. Present: training, dropout is on. Absent: prediction. */
  rng?: Tensor;
  /** Modules add here what training shall minimise beside the task's loss. Absent: they compute nothing for it. */
  losses?: AuxiliaryLoss[];
  /** Heads with regression add here what they tell of the return, in the order of horizons. Absent: they compute nothing for it. */
  returns?: ReturnForecast[];
}

/** A loss of a module itself, such as the balance of a mixture of experts. */
export interface AuxiliaryLoss {
  /** Path of the module and what is measured. */
  name: string;
  /** One element. */
  loss: Tensor;
  weight: number;
  /** For mixtures of experts: how their rows were routed. */
  routing?: Routing;
}

/** How a mixture of experts routed its rows. */
export interface Routing {
  /** Share of each expert in all choices, (E). */
  usage: Tensor;
  /** The router's probabilities, (…, E). */
  probs: Tensor;
  /** Experts of a row. */
  topK: number;
  /** Rows that an expert takes in training, of as many rows as these. */
  capacity: number;
}

/** Drops elements with probability p while training; does nothing else. */
export class Dropout extends Module {
  constructor(readonly p: number) {
    super();
    finite('dropout', p, 0, 0.999);
  }

  forward(x: Tensor, { rng }: ForwardOptions = {}): Tensor {
    return rng === undefined || this.p === 0 ? x : dropout(x, rng, { p: this.p });
  }
}
