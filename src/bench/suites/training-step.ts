/**
 * A training step: gradients of a batch and AdamW's update. Node has no other trainer of transformers to compare with; the share of
 * the peak tells.
 */
import { PricePredictor } from '../../models/index.js';
import type { BenchCase, Contender } from '../case.js';
import { once, type SuiteOptions } from '../suite.js';
import { type TrainingStepOptions, trainingStep } from '../training-step.js';

const BATCH = 64;
const PRECISIONS = ['f32', 'bf16'] as const;
/** Windows of the step that is checked; the plain kernels take their time. */
const CHECKED_WINDOWS = 2;

/** The model of the ablation study: 30,569 parameters over 25 rows of 89 features. */
export const SMALL_MODEL = { layers: 2, dModel: 32, heads: 4, feedForward: 128, steps: 25, features: 89 } as const;

export function trainingCases({ threads }: SuiteOptions): BenchCase[] {
  const cases = PRECISIONS.flatMap((precision) =>
    [0.1, 0].map((dropout) => {
      const step = (rate: number) => ({ precision, dropout: rate, threads, batch: BATCH });
      const without = [stepContender(step(0), { role: 'plain', name: 'without dropout' })];
      return stepCase(
        `step ${precision}, batch ${BATCH}, dropout ${dropout}`,
        step(dropout),
        dropout > 0 ? without : [],
      );
    }),
  );
  const small = { model: new PricePredictor({ ...SMALL_MODEL, dropout: 0.1 }), threads, batch: BATCH };
  cases.push(stepCase(`step f32 of a small model, batch ${BATCH}, dropout 0.1`, small));
  return cases;
}

export interface StepCaseOptions extends TrainingStepOptions {
  /** The step that is checked, where it is not that of two windows of the same. */
  checked?: Pick<TrainingStepOptions, 'model' | 'steps'>;
}

/** The step as flashbook makes it, and others of it. */
export function stepCase(name: string, options: StepCaseOptions, others: readonly Contender[] = []): BenchCase {
  const { precision = 'f32', threads, batch } = options;
  const flops = once(() => {
    const step = trainingStep(options);
    let sum = 0;
    for (const plan of step.plans) for (const { flops: one } of plan.profile()) sum += one;
    step.dispose();
    return sum;
  });
  return {
    suite: 'training',
    name,
    threads,
    bound: precision,
    get operations() {
      return flops();
    },
    bytes: 0,
    items: { unit: 'windows', count: batch },
    single: true,
    contenders: [stepContender(options, { role: 'fast', name: 'flashbook' }), ...others],
    expected: () => ({ values: [1, 1] }),
  };
}

/** Its output is the loss and the gradient norm of a small batch, in units of what the plain kernels make of it. */
function stepContender(options: StepCaseOptions, { role, name }: Pick<Contender, 'role' | 'name'>): Contender {
  return {
    role,
    name,
    // A sum that rounds to another bf16 number moves what follows.
    tolerance: options.precision === 'bf16' ? 1e-2 : 1e-4,
    open: async () => {
      const small = { ...options, ...options.checked, batch: CHECKED_WINDOWS };
      const [loss, norm] = await firstStep(small);
      const [plainLoss, plainNorm] = await firstStep({ ...small, isa: 'scalar' });
      const step = trainingStep(options);
      return {
        run: async () => {
          const start = process.hrtime.bigint();
          await step.run();
          return Number(process.hrtime.bigint() - start);
        },
        output: () => [loss / plainLoss, norm / plainNorm],
        close: () => step.dispose(),
      };
    },
  };
}

async function firstStep(options: TrainingStepOptions): Promise<[loss: number, norm: number]> {
  const step = trainingStep(options);
  await step.run();
  const found: [number, number] = [step.loss(), step.gradientNorm()];
  step.dispose();
  return found;
}
