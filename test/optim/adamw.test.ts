import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { adamW, gradientName, type OptimizerParameter } from '../../src/optim/index.js';
import { devices } from '../train/devices.js';
import { referenceParameter, referenceStep } from './adamw-reference.js';

const PARAMETERS: OptimizerParameter[] = [
  { name: 'weight', shape: [17, 13], decay: true },
  { name: 'bias', shape: [17], decay: false },
  { name: 'one', shape: [1], decay: true },
];
const STEPS = 50;

const normal = (random: Random, length: number, scale: number): Float32Array =>
  Float32Array.from({ length }, () => scale * random.normal());
const size = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

describe.each(devices)('AdamW on the %s device', (_, device) => {
  test.each([
    { clipNorm: 1, weightDecay: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, gradientScale: 1 },
    { clipNorm: 1e6, weightDecay: 0, beta1: 0.9, beta2: 0.95, epsilon: 1e-6, gradientScale: 1e-3 },
    { clipNorm: 0, weightDecay: 0.01, beta1: 0, beta2: 0.5, epsilon: 1e-8, gradientScale: 30 },
  ])(`${STEPS} steps follow torch.optim.AdamW: %o`, async ({ gradientScale, ...options }) => {
    const random = new Random(7);
    const optimizer = adamW(options);
    const state = device().createState([
      ...PARAMETERS.flatMap(({ name, shape }) => [
        { name, dtype: 'f32' as const, shape: [...shape] },
        { name: gradientName(name), dtype: 'f32' as const, shape: [...shape] },
      ]),
      ...optimizer.states(PARAMETERS),
    ]);
    const bound = optimizer.bind(device(), state, PARAMETERS);
    const reference = PARAMETERS.map(({ name, shape, decay }) => {
      const values = normal(random, size(shape), 1);
      state.set(name, values);
      return referenceParameter(values, decay);
    });

    for (let t = 1; t <= STEPS; t++) {
      const gradients = PARAMETERS.map(({ shape }) => normal(random, size(shape), gradientScale));
      PARAMETERS.forEach(({ name }, p) => void state.set(gradientName(name), gradients[p]));
      const learningRate = 0.01 / Math.sqrt(t);
      const report = await bound.step({
        step: t,
        learningRate,
        gradients: () => Promise.reject(new Error('not asked')),
      });
      const norm = referenceStep(reference, gradients, t, learningRate, options);
      expect(report.gradientNorm / norm).toBeCloseTo(1, 5);
    }

    // Each step rounds a value of size about 1 a few times: 50 steps × 4 roundings × 2⁻²⁴ at the worst.
    const tolerance = STEPS * 4 * 2 ** -24 * 2;
    let moved = 0;
    for (const [p, { name }] of PARAMETERS.entries()) {
      const got = state.get(name) as Float32Array;
      reference[p].value.forEach((want, i) => {
        expect(Math.abs(got[i] - want), `${name}[${i}]: ${got[i]} for ${want}`).toBeLessThan(
          tolerance * Math.max(1, Math.abs(want)),
        );
        moved = Math.max(moved, Math.abs(want));
      });
    }
    expect(moved).toBeGreaterThan(0);
    bound.dispose();
    state.dispose();
  });

  test('parameters without decay do not shrink when gradients are zero; those with it do', async () => {
    const optimizer = adamW({ weightDecay: 0.5 });
    const state = device().createState([
      ...PARAMETERS.flatMap(({ name, shape }) => [
        { name, dtype: 'f32' as const, shape: [...shape] },
        { name: gradientName(name), dtype: 'f32' as const, shape: [...shape] },
      ]),
      ...optimizer.states(PARAMETERS),
    ]);
    const bound = optimizer.bind(device(), state, PARAMETERS);
    for (const { name, shape } of PARAMETERS) state.set(name, new Float32Array(size(shape)).fill(2));
    await bound.step({ step: 1, learningRate: 0.1, gradients: async () => {} });
    expect((state.get('bias') as Float32Array).every((v) => v === 2)).toBe(true);
    for (const v of state.get('weight') as Float32Array) expect(v).toBeCloseTo(2 - 0.1 * 0.5 * 2, 6);
    bound.dispose();
    state.dispose();
  });
});

test('wrong options are named', () => {
  expect(() => adamW({ beta1: 1 })).toThrowError(/beta1/);
  expect(() => adamW({ epsilon: 0 })).toThrowError(/epsilon/);
  expect(() => adamW({ weightdecay: 1 } as never)).toThrowError(/did you mean 'weightDecay'/);
});
