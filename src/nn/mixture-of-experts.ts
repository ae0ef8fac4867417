import { invalid } from '../core/errors.js';
import { checkOptions, finite, integer } from '../core/options.js';
import { elements, experts, loadBalance, route, routerZLoss, type Tensor } from '../graph/index.js';
import type { ForwardOptions } from './dropout.js';
import { Linear } from './linear.js';
import { Module } from './module.js';

export interface MixtureOfExpertsOptions {
  /** Number of experts. Default 8. */
  experts?: number;
  /** Experts of a row. Default 2. */
  topK?: number;
  /**
   * In training an expert takes at most capacityFactor · rows · topK / experts rows; who finds it full goes without. In prediction nobody
   * does. Default 1.25.
   */
  capacityFactor?: number;
  /** Weight of the load-balancing loss. Default 0.01. */
  balanceWeight?: number;
  /** Weight of the router's z loss. Default 0.001. */
  zWeight?: number;
}

const OPTIONS = ['experts', 'topK', 'capacityFactor', 'balanceWeight', 'zWeight'];

/**
 * A feed-forward layer of which each row uses a few experts (Shazeer et al. 2017; Lepikhin et al. 2021, arXiv:2006.16668; Fedus et al. 2022,
 * arXiv:2101.03961): (…, width) → (…, width). A linear router chooses them and weighs their results. The losses that keep the experts evenly
 * used and the router's logits small are given to `losses` of the forward options.
 */
export class MixtureOfExperts extends Module {
  readonly router;
  readonly expandWeight;
  readonly expandBias;
  readonly contractWeight;
  readonly contractBias;
  readonly options: Required<MixtureOfExpertsOptions>;

  constructor(
    readonly width: number,
    readonly hidden: number,
    options: MixtureOfExpertsOptions = {},
  ) {
    super();
    checkOptions('MixtureOfExperts', options, OPTIONS);
    const { experts: count = 8, topK = 2, capacityFactor = 1.25, balanceWeight = 0.01, zWeight = 0.001 } = options;
    integer('experts', count, 1);
    integer('topK', topK, 1);
    if (topK > count) throw invalid('topK', `at most experts = ${count}`, topK);
    finite('capacityFactor', capacityFactor, 0.01);
    finite('balanceWeight', balanceWeight, 0);
    finite('zWeight', zWeight, 0);
    this.options = { experts: count, topK, capacityFactor, balanceWeight, zWeight };
    const expand = { kind: 'kaiming', fanIn: width } as const;
    const contract = { kind: 'kaiming', fanIn: hidden } as const;
    this.router = this.child('router', new Linear(width, count));
    this.expandWeight = this.parameter('expandWeight', [count, hidden, width], expand, { decay: true });
    this.expandBias = this.parameter('expandBias', [count, hidden], expand);
    this.contractWeight = this.parameter('contractWeight', [count, width, hidden], contract, { decay: true });
    this.contractBias = this.parameter('contractBias', [count, width], contract);
  }

  forward(x: Tensor, { rng, losses }: ForwardOptions = {}): Tensor {
    const { experts: count, topK, capacityFactor, balanceWeight, zWeight } = this.options;
    const { graph } = x;
    const rows = elements(x.shape) / this.width;
    const logits = this.router.forward(x);
    const capacity = Math.max(1, Math.ceil((capacityFactor * rows * topK) / count));
    const { gates, probs } = route(logits, { k: topK, capacity: rng === undefined ? 0 : capacity });
    if (losses !== undefined) {
      const { loss, usage } = loadBalance(probs, gates, { k: topK });
      const routing = { usage, probs, topK, capacity };
      losses.push({ name: `${this.path}.balance`, loss, weight: balanceWeight, routing });
      losses.push({ name: `${this.path}.z`, loss: routerZLoss(logits), weight: zWeight });
    }
    return experts(x, gates, {
      wExpand: this.expandWeight.in(graph),
      bExpand: this.expandBias.in(graph),
      wContract: this.contractWeight.in(graph),
      bContract: this.contractBias.in(graph),
    });
  }
}
