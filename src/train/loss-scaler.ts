import { checkOptions, finite, integer } from '../core/options.js';

export interface LossScaleOptions {
  /** The first factor. */
  initial?: number;
  /** What the factor is multiplied by after `interval` steps in a row without an overflow. */
  growth?: number;
  /** What it is multiplied by after an overflow. */
  backoff?: number;
  interval?: number;
}

/** Plain data for a checkpoint. */
export interface LossScalerState {
  scale: number;
  /** Steps since the last overflow or growth. */
  clean: number;
}

/**
 * Dynamic loss scaling: the loss is multiplied by a factor, so that small gradients are numbers in half precision, and the gradients are
 * divided by it before the update. Where they overflow, the step is left out and the factor falls; after a while without, it
 * grows. With powers of two, scaling changes no bit of what does not overflow or vanish.
 *
 * Source: Micikevicius et al. 2018, "Mixed Precision Training", §3.2; states and defaults as torch.amp.GradScaler.
 */
export class LossScaler {
  readonly config: Readonly<Record<string, number>>;
  readonly #growth: number;
  readonly #backoff: number;
  readonly #interval: number;
  #state: LossScalerState;

  constructor(options: LossScaleOptions = {}) {
    checkOptions('lossScale', options, ['initial', 'growth', 'backoff', 'interval']);
    const { initial = 65536, growth = 2, backoff = 0.5, interval = 2000 } = options;
    finite('lossScale.initial', initial, Number.MIN_VALUE, 2 ** 126);
    this.#growth = finite('lossScale.growth', growth, 1);
    this.#backoff = finite('lossScale.backoff', backoff, Number.MIN_VALUE, 1);
    this.#interval = integer('lossScale.interval', interval, 1);
    this.config = { initial, growth, backoff, interval };
    this.#state = { scale: initial, clean: 0 };
  }

  /** The factor for the next step. */
  get scale(): number {
    return this.#state.scale;
  }

  /** Told whether the gradients of a step were finite. Below the smallest number that is one, and above the largest, it stays. */
  observe(wereFinite: boolean): void {
    const { scale, clean } = this.#state;
    if (!wereFinite) this.#state = { scale: Math.max(scale * this.#backoff, 2 ** -126), clean: 0 };
    else if (clean + 1 < this.#interval) this.#state = { scale, clean: clean + 1 };
    else this.#state = { scale: Math.min(scale * this.#growth, 2 ** 126), clean: 0 };
  }

  snapshot(): LossScalerState {
    return { ...this.#state };
  }

  restore(state: LossScalerState): void {
    this.#state = { ...state };
  }
}
