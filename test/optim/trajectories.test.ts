import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.js';
import { compilePlan, Graph } from '../../src/graph/index.js';
import type { Device, Plan, State } from '../../src/native/index.js';
import {
  adam,
  adamW,
  type BoundOptimizer,
  centralised,
  clippedByValue,
  ema,
  gradientName,
  lamb,
  layerwiseRates,
  lookahead,
  type Optimizer,
  type OptimizerParameter,
  sam,
  sgd,
  swa,
} from '../../src/optim/index.js';
import { devices } from '../train/devices.js';
import { referenceDevice } from '../train/reference-device.js';
import {
  adamRule,
  centralisedRule,
  type GradientsAt,
  lambRule,
  lookaheadRule,
  type Rule,
  samRule,
  sgdRule,
  valueClippedRule,
  type Weights,
} from './rules.js';

const PARAMETERS: OptimizerParameter[] = [
  { name: 'weight', shape: [17, 13], decay: true },
  { name: 'bias', shape: [17], decay: false },
  { name: 'filter', shape: [3, 2, 5], decay: true },
  { name: 'one', shape: [1], decay: true },
];
const STEPS = 50;
const size = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);
const normal = (random: Random, length: number, scale = 1) =>
  Float64Array.from({ length }, () => Math.fround(scale * random.normal()));
const rateOf = (t: number) => Math.fround(0.01 / Math.sqrt(t));

/** a and c of a step, one pair a parameter. */
function coefficientsOf(t: number): [Float32Array, Float32Array][] {
  return PARAMETERS.map(({ shape }, p) => {
    const random = new Random(100 * t + p);
    const pairs = Array.from({ length: size(shape) }, () => [0.3 + random.float(), 2 * random.normal()]);
    return [Float32Array.from(pairs, ([a]) => a), Float32Array.from(pairs, ([, c]) => c)];
  });
}

/** Gradients that depend on the weights and on the step: those of Σ ½ a w² + c w, with signs that make some axes climb. */
function gradientsOf(t: number): GradientsAt {
  const coefficients = coefficientsOf(t);
  return (weights) =>
    weights.map(({ value }, p) => value.map((w, i) => coefficients[p][0][i] * w + coefficients[p][1][i]));
}

/** The same as a plan, with inputs a and c of each parameter. */
function gradientPlan(device: Device, state: State): Plan {
  const graph = new Graph();
  for (const { name, shape } of PARAMETERS) {
    const [a, c] = [graph.input(`a.${name}`, shape), graph.input(`c.${name}`, shape)];
    graph.state(gradientName(name), shape);
    graph.update(gradientName(name), graph.state(name, shape).mul(a).add(c));
  }
  return device.createPlan(compilePlan(graph), state);
}

/** Runs an optimiser for STEPS steps and gives what `read` sees after the last. */
async function run(
  device: Device,
  optimizer: Optimizer,
  steps = STEPS,
): Promise<[Map<string, ArrayLike<number>>, BoundOptimizer]> {
  const state = device.createState([
    ...PARAMETERS.flatMap(({ name, shape }) => [
      { name, dtype: 'f32' as const, shape: [...shape] },
      { name: gradientName(name), dtype: 'f32' as const, shape: [...shape] },
    ]),
    ...optimizer.states(PARAMETERS),
  ]);
  const bound = optimizer.bind(device, state, PARAMETERS);
  const plan = gradientPlan(device, state);
  for (const { name, value } of start()) state.set(name, Float32Array.from(value));
  for (let t = 1; t <= steps; t++) {
    const gradients = () => [{ plan, inputs: coefficientsOf(t).flat() }];
    const { runs, gradientNorm } = bound.step({ step: t, learningRate: rateOf(t), gradients });
    const sequence = [...gradients(), ...runs];
    expect(await device.runSequence(sequence)).toBe(sequence.length);
    expect(gradientNorm[0]).toBeGreaterThan(0);
  }
  const buffers = new Map(state.specs.map(({ name }) => [name, state.get(name)]));
  bound.dispose();
  plan.dispose();
  state.dispose();
  return [buffers, bound];
}

function start(): (Weights & { name: string })[] {
  const random = new Random(7);
  return PARAMETERS.map(({ name, shape, decay }) => ({ name, shape, decay, value: normal(random, size(shape)) }));
}

/** The same by a rule; `watch` sees the weights after each step. */
function follow(
  rule: (at: GradientsAt) => Rule,
  steps = STEPS,
  watch: (weights: Weights[], t: number) => void = () => {},
): Weights[] {
  const weights = start();
  let now: GradientsAt = () => [];
  const made = rule((w) => now(w));
  for (let t = 1; t <= steps; t++) {
    now = gradientsOf(t);
    made(weights, now(weights), t, rateOf(t));
    watch(weights, t);
  }
  return weights;
}

function expectWeights(got: Map<string, ArrayLike<number>>, want: Weights[], tolerance: number, prefix = ''): void {
  for (const [p, { name }] of PARAMETERS.entries()) {
    const values = got.get(prefix + name)!;
    want[p].value.forEach((w, i) => {
      if (Math.abs(values[i] - w) > tolerance * Math.max(1, Math.abs(w))) {
        throw new Error(`${prefix}${name}[${i}]: expected ${w} ± ${tolerance} but received ${values[i]}`);
      }
    });
  }
}

const RULES: [string, Optimizer, (at: GradientsAt) => Rule][] = [
  ['AdamW', adamW({ weightDecay: 0.1 }), () => adamRule({ decoupled: 0.1 })],
  [
    'AdamW unclipped, other betas',
    adamW({ beta1: 0, beta2: 0.5, clipNorm: 0 }),
    () => adamRule({ b1: 0, b2: 0.5, decoupled: 0.01, clip: 0 }),
  ],
  [
    'Adam with L2',
    adam({ weightDecay: 0.1, beta2: 0.95, epsilon: 1e-6 }),
    () => adamRule({ l2: 0.1, b2: 0.95, eps: 1e-6 }),
  ],
  ['SGD', sgd({ momentum: 0, clipNorm: 0 }), () => sgdRule({ momentum: 0, clip: 0 })],
  ['SGD with momentum', sgd({ weightDecay: 0.05, clipNorm: 0 }), () => sgdRule({ l2: 0.05, clip: 0 })],
  [
    'SGD with Nesterov momentum',
    sgd({ nesterov: true, momentum: 0.8 }),
    () => sgdRule({ nesterov: true, momentum: 0.8 }),
  ],
  ['LAMB', lamb({ weightDecay: 0.1 }), () => lambRule({ lambda: 0.1 })],
  ['LAMB as in timm', lamb({ adaptAll: false }), () => lambRule({ adaptAll: false })],
  [
    'Lookahead',
    lookahead(adamW(), { steps: 6, alpha: 0.8 }),
    () => lookaheadRule(adamRule({ decoupled: 0.01 }), 6, 0.8),
  ],
  ['gradient centralisation', centralised(sgd()), () => centralisedRule(sgdRule({}))],
  [
    'clipping by value',
    clippedByValue(sgd({ clipNorm: 0 }), { limit: 0.5 }),
    () => valueClippedRule(sgdRule({ clip: 0 }), 0.5),
  ],
  ['SAM', sam(sgd()), (at) => samRule(sgdRule({}), at, 0.05, false)],
  ['ASAM', sam(adamW(), { adaptive: true, rho: 1 }), (at) => samRule(adamRule({ decoupled: 0.01 }), at, 1, true)],
  [
    'Lookahead over LAMB with centralisation',
    lookahead(centralised(lamb())),
    () => lookaheadRule(centralisedRule(lambRule({})), 5, 0.5),
  ],
  [
    'SAM around centralised SGD',
    sam(centralised(sgd({ clipNorm: 0 }))),
    (at) => samRule(centralisedRule(sgdRule({ clip: 0 })), at, 0.05, false),
  ],
];

describe.each([
  // Sixty-four bits throughout, but for hyperparameters and gradients, which enter as float32.
  ['float64 reference', () => referenceDevice({ precise: true }), 1e-6],
  // A step rounds a value of size 1 a few times: 50 steps × 4 roundings × 2⁻²⁴ at the worst, doubled.
  ...devices.map(([name, make]): [string, () => Device, number] => [name, make, STEPS * 8 * 2 ** -24]),
] as [string, () => Device, number][])('50 steps on the %s', (_, device, tolerance) => {
  test.each(RULES)('%s', async (__, optimizer, rule) => {
    const [got] = await run(device(), optimizer);
    expectWeights(got, follow(rule), tolerance);
    const moved = follow(rule).some(({ value }, p) => value.some((w, i) => Math.abs(w - start()[p].value[i]) > 0.01));
    expect(moved).toBe(true);
  });

  test('EMA and SWA average beside the weights, which stay those of the inner optimiser', async () => {
    const average = start();
    const weights = follow(
      () => adamRule({ decoupled: 0.01 }),
      STEPS,
      (now, t) => {
        const d = Math.min(0.9, (1 + t) / (10 + t));
        for (const [p, { value }] of average.entries()) {
          for (let i = 0; i < value.length; i++) value[i] = d * value[i] + (1 - d) * now[p].value[i];
        }
      },
    );
    const [got, bound] = await run(device(), ema(adamW(), { decay: 0.9 }));
    expectWeights(got, weights, tolerance);
    expectWeights(got, average, tolerance, 'ema/');
    expect(bound.averageAfter?.(1)?.('weight')).toBe('ema/weight');

    const taken: Weights[][] = [];
    follow(
      () => sgdRule({}),
      STEPS,
      (now, t) => void (t >= 30 && (t - 30) % 7 === 0 && taken.push(structuredClone(now))),
    );
    const mean = start();
    for (const [p, { value }] of mean.entries()) {
      for (let i = 0; i < value.length; i++) value[i] = taken.reduce((s, w) => s + w[p].value[i], 0) / taken.length;
    }
    expect(taken).toHaveLength(3);
    const [swaBuffers, swaBound] = await run(device(), swa(sgd(), { start: 30, every: 7 }));
    expectWeights(swaBuffers, mean, tolerance, 'swa/');
    expect([swaBound.averageAfter?.(29), swaBound.averageAfter?.(30)?.('bias')]).toEqual([undefined, 'swa/bias']);
  });

  test('groups set rates and decay; the first that matches counts', async () => {
    const groups = [
      { parameters: '^weight$', rate: 0 },
      { parameters: 'i', weightDecay: 0.3 },
    ];
    const [got] = await run(device(), sgd({ momentum: 0, clipNorm: 0, weightDecay: 0.1, groups }), 1);
    const want = start();
    const gradients = gradientsOf(1)(want);
    for (const [p, { value, name }] of want.entries()) {
      const lambda = name === 'one' ? 0.1 : 0.3;
      if (name !== 'weight')
        for (let i = 0; i < value.length; i++) value[i] -= rateOf(1) * (gradients[p][i] + lambda * value[i]);
    }
    expectWeights(got, want, tolerance);
  });
});

test('layer-wise rates fall towards the input, and dots in names are dots', () => {
  const groups = layerwiseRates(['embedding', 'encoder.0', 'heads'], 0.5);
  expect(groups.map(({ rate }) => rate)).toEqual([0.25, 0.5, 1]);
  expect(new RegExp(groups[1].parameters).test('encoder.0.norm1.bias')).toBe(true);
  expect(
    ['encoder.01.x', 'encoderx0', 'my.encoder.0'].some((name) => new RegExp(groups[1].parameters).test(name)),
  ).toBe(false);
});

test('wrong options are named', () => {
  expect(() => adamW({ beta1: 1 })).toThrowError(/beta1/);
  expect(() => adamW({ epsilon: 0 })).toThrowError(/epsilon/);
  expect(() => adamW({ weightdecay: 1 } as never)).toThrowError(/did you mean 'weightDecay'/);
  expect(() => sgd({ nestrov: true } as never)).toThrowError(/did you mean 'nesterov'/);
  expect(() => lamb({ epsilon: -1 })).toThrowError(/epsilon/);
  expect(() => lookahead(sgd(), { steps: 0 })).toThrowError(/steps of lookahead/);
  expect(() => sam(sgd(), { rho: -1 })).toThrowError(/rho/);
  expect(() => swa(sgd(), { start: 0 })).toThrowError(/start of swa/);
  expect(() => ema(sgd(), { decay: 1 })).toThrowError(/decay of ema/);
  expect(() => clippedByValue(sgd(), { limit: 0 })).toThrowError(/limit/);
  expect(() => sgd({ groups: [{ parameters: '(' }] })).toThrowError(/groups\[0\]\.parameters/);
});

test('a group that matches no parameter is refused', async () => {
  const misspelt = adamW({ groups: [{ parameters: 'wieght', rate: 2 }] });
  await expect(run(referenceDevice(), misspelt, 1)).rejects.toThrowError(/groups\[0\] matches no parameter.*'wieght'/);
});
