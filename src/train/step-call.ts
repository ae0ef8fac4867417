import type { Device, Plan, PlanRun } from '../native/index.js';
import type { TypedArray } from '../native/plan-spec.js';
import type { BoundOptimizer } from '../optim/index.js';

/** The plans of a step over one state. */
export interface StepPlans {
  /** `gradientGraph` of a step's first batch, and of the others, which add to its gradients. */
  gradients: readonly [Plan, Plan];
  /** Where the loss is scaled, `unscaleGraph`: brings the gradients back. */
  unscale?: Plan | undefined;
  optimizer: BoundOptimizer;
}

export interface StepInputs {
  /** The optimiser's own number of the step, the first being 1. */
  step: number;
  learningRate: number;
  /** The inputs of the gradients' plan for each batch of the step, without the scale. */
  batches: readonly TypedArray[][];
  /** The factor of the loss, where it is scaled. */
  lossScale?: number | undefined;
}

export interface StepResult {
  /** The loss of each batch; NaN for those after one that was not finite. */
  losses: number[];
  /** Global norm of all gradients, unscaled, before clipping. Where it is not finite, the step was left out: no parameter has changed. */
  gradientNorm: number;
}

/**
 * A training step as one native call off the event loop: the gradients of its batches, the optimiser's runs, and between them the guard that
 * ends the step before anything is updated where a loss or a gradient is not finite. For sharpness-aware minimisation the gradients are computed
 * twice in the same call.
 */
export class StepCall {
  readonly #device: Pick<Device, 'runSequence'>;
  readonly #plans: StepPlans;
  /** Logits of each batch as the last step left them, one array (B, classes) a horizon. */
  readonly logits: readonly Float32Array[][];
  readonly #losses: readonly Float32Array[];

  /** @param shape rows of a batch, classes of each horizon, batches of a step */
  constructor(
    device: Pick<Device, 'runSequence'>,
    plans: StepPlans,
    { batch, classes, batches = 1 }: { batch: number; classes: readonly number[]; batches?: number },
  ) {
    this.#device = device;
    this.#plans = plans;
    this.logits = Array.from({ length: batches }, () => classes.map((count) => new Float32Array(batch * count)));
    this.#losses = this.logits.map(() => new Float32Array(1));
  }

  /** Starts a step; the inputs are copied before this returns. */
  async run({ step, learningRate, batches, lossScale }: StepInputs): Promise<StepResult> {
    const { gradients, unscale, optimizer } = this.#plans;
    const scale = lossScale === undefined ? [] : [Float32Array.of(lossScale)];
    const unscaled = new Float32Array(1);
    for (const loss of this.#losses) loss.fill(Number.NaN);
    const computed = batches.map((inputs, i): PlanRun => {
      const outputs = [...this.logits[i], this.#losses[i]];
      return { plan: gradients[i === 0 ? 0 : 1], inputs: [...inputs, ...scale], outputs, finite: [outputs.length - 1] };
    });
    if (unscale !== undefined) {
      computed.push({ plan: unscale, inputs: [Float32Array.of(1 / lossScale!)], outputs: [unscaled], finite: [0] });
    }
    // What is not finite in a second pass ends in the norm, which the update looks at.
    const again = () => computed.map(({ plan, inputs }) => ({ plan, inputs }));
    const { runs, gradientNorm } = optimizer.step({ step, learningRate, gradients: again });
    const made = await this.#device.runSequence([...computed, ...runs]);
    const losses = this.#losses.slice(0, batches.length).map(([loss]) => loss);
    const reached = made > computed.length;
    return {
      losses,
      gradientNorm: reached ? gradientNorm[0] : losses.every(Number.isFinite) ? unscaled[0] : Number.NaN,
    };
  }
}
