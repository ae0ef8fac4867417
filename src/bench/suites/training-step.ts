/**
 * A training step of the price predictor: gradients of 64 windows and AdamW's update. Node has no other trainer of transformers
 * to compare with; the share of the peak tells.
 */
import type { BenchCase, Contender } from '../case.js';
import { once, type SuiteOptions } from '../suite.js';
import { trainingStep } from '../training-step.js';

const BATCH = 64;

export function trainingCases({ threads }: SuiteOptions): BenchCase[] {
  return [0.1, 0].map((dropout) => stepCase(dropout, threads));
}

function stepCase(dropout: number, threads: number): BenchCase {
  const expected = once(async () => {
    const plain = trainingStep({ batch: 2, dropout, threads, isa: 'scalar' });
    await plain.run();
    const values = [plain.loss(), plain.gradientNorm()];
    plain.dispose();
    return values;
  });
  const flops = once(() => {
    const step = trainingStep({ batch: BATCH, dropout, threads });
    let sum = 0;
    for (const plan of step.plans) for (const { flops: one } of plan.profile()) sum += one;
    step.dispose();
    return sum;
  });
  const contender: Contender = {
    role: 'fast',
    name: 'flashbook',
    tolerance: 1e-4,
    open: async () => {
      const small = trainingStep({ batch: 2, dropout, threads });
      await small.run();
      const checked = [small.loss(), small.gradientNorm()];
      small.dispose();
      const step = trainingStep({ batch: BATCH, dropout, threads });
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
    name: `step f32, batch ${BATCH}, dropout ${dropout}`,
    threads,
    bound: 'f32',
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
