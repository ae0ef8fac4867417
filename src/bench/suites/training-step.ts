/**
 * A training step of the price predictor: gradients of 64 windows and AdamW's update. Node has no other trainer of transformers
 * to compare with; the share of the peak tells.
 */
import type { BenchCase, Contender } from '../case.js';
import { once, type SuiteOptions } from '../suite.js';
import { trainingStep } from '../training-step.js';

const BATCH = 64;
const PRECISIONS = ['f32', 'bf16'] as const;

export function trainingCases({ threads }: SuiteOptions): BenchCase[] {
  return PRECISIONS.flatMap((precision) => [0.1, 0].map((dropout) => stepCase({ precision, dropout, threads })));
}

function stepCase(options: { precision: 'f32' | 'bf16'; dropout: number; threads: number }): BenchCase {
  const { precision, dropout, threads } = options;
  const expected = once(async () => {
    const plain = trainingStep({ ...options, batch: 2, isa: 'scalar' });
    await plain.run();
    const values = [plain.loss(), plain.gradientNorm()];
    plain.dispose();
    return values;
  });
  const flops = once(() => {
    const step = trainingStep({ ...options, batch: BATCH });
    let sum = 0;
    for (const plan of step.plans) for (const { flops: one } of plan.profile()) sum += one;
    step.dispose();
    return sum;
  });
  const contender: Contender = {
    role: 'fast',
    name: 'flashbook',
    // A sum that rounds to another bf16 number moves what follows.
    tolerance: precision === 'bf16' ? 1e-2 : 1e-4,
    open: async () => {
      const small = trainingStep({ ...options, batch: 2 });
      await small.run();
      const checked = [small.loss(), small.gradientNorm()];
      small.dispose();
      const step = trainingStep({ ...options, batch: BATCH });
      return {
        run: async () => {
          const start = process.hrtime.bigint();
          await step.run();
          return Number(process.hrtime.bigint() - start);
        },
        output: () => checked,
        close: () => step.dispose(),
      };
    },
  };
  return {
    suite: 'training',
    name: `step ${precision}, batch ${BATCH}, dropout ${dropout}`,
    threads,
    bound: precision,
    get operations() {
      return flops();
    },
    bytes: 0,
    items: { unit: 'windows', count: BATCH },
    single: true,
    contenders: [contender],
    expected: async () => ({ values: await expected() }),
  };
}
