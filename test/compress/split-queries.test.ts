import { describe, expect, test } from 'vitest';
import { quantiseLinear } from '../../src/compress/quantise.js';
import { splitQueries } from '../../src/compress/split-queries.js';
import { Random } from '../../src/core/random.js';
import {
  type AttentionPattern,
  attention,
  autocast,
  compilePlan,
  Graph,
  graphStatistics,
  interpret,
  linear,
  rotary,
  stateSpecs,
  type Tensor,
} from '../../src/graph/index.js';
import { cpu, type Isa, nativeAvailable, runtimeInfo, type TypedArray } from '../../src/native/index.js';

const [BATCH, STEPS, WIDTH, HEADS] = [2, 37, 48, 3];

interface Layer {
  graph: Graph;
  state: Map<string, TypedArray>;
}

function normal(n: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: n }, () => random.normal() / 4);
}

const X = normal(BATCH * STEPS * WIDTH, 9);

/** A layer of which the last step is read. */
function layer(pattern: AttentionPattern = {}, between: (qkv: Tensor) => Tensor = (qkv) => qkv): Layer {
  const graph = new Graph();
  const x = graph.input('x', [BATCH, STEPS, WIDTH]);
  const qkv = linear(x, graph.state('a.qkv.weight', [3 * WIDTH, WIDTH]), graph.state('a.qkv.bias', [3 * WIDTH]));
  const o = attention(between(qkv), { heads: HEADS, causal: true, queries: 'last', ...pattern });
  graph.output('y', linear(o, graph.state('a.out.weight', [5, WIDTH])));
  const state = new Map<string, TypedArray>([
    ['a.qkv.weight', normal(3 * WIDTH * WIDTH, 1)],
    ['a.qkv.bias', normal(3 * WIDTH, 2)],
    ['a.out.weight', normal(5 * WIDTH, 3)],
  ]);
  return { graph, state };
}

function interpreted({ graph, state }: Layer): Float64Array {
  return interpret(graph, { inputs: { x: X }, state: Object.fromEntries(state) }).outputs.y.data;
}

/** The result of a frozen plan, as a predictor makes it. */
function predicted({ graph, state }: Layer, isa: Isa): Float32Array {
  using buffers = cpu().createState(stateSpecs(graph));
  for (const [name, data] of state) buffers.set(name, data);
  using plan = cpu().createPlan(compilePlan(graph), buffers, { isa, frozen: true });
  const y = new Float32Array(BATCH * 5);
  plan.runSync([X], [y]);
  return y;
}

function kernels({ graph }: Layer): string[] {
  return compilePlan(graph).steps.map(({ kernel }) => kernel);
}

const FORMS: Readonly<Record<string, (given: Layer) => Layer>> = {
  f32: (given) => given,
  bf16: ({ graph, state }) => ({ graph: autocast(graph), state }),
  int8: ({ graph, state }) => quantiseLinear(graph, state),
  'int8 static': ({ graph, state }) => {
    return quantiseLinear(graph, state, { activations: 'static', calibration: X });
  },
};

describe('splitQueries', () => {
  test.each(Object.keys(FORMS))('projects one query and all keys and values, with the same results: %s', (form) => {
    for (const pattern of [{}, { windows: [5, 0, 36], strides: [1, 4, 7], alibi: [0.5, 0, 0.1] }]) {
      const whole = FORMS[form](layer(pattern));
      const split = splitQueries(whole.graph, whole.state);
      expect(interpreted(split)).toEqual(interpreted(whole));
      const projection = { int8: 'qlinear', 'int8 static': 'qlinear_static' }[form] ?? 'linear';
      expect(kernels(split)).toEqual([projection, 'select_step', projection, 'attention_last', projection]);
      const saved = graphStatistics(whole.graph).flops - graphStatistics(split.graph).flops;
      expect(saved).toBe(2 * BATCH * (STEPS - 1) * WIDTH * WIDTH);
    }
  });

  test('holds each weight once, under names that say which part it is', () => {
    const given = layer();
    const { graph, state } = splitQueries(given.graph, given.state);
    expect([...state.keys()]).toEqual([...graph.states.keys()]);
    expect([...state].map(([name, { length }]) => [name, length]).sort()).toEqual([
      ['a.out.weight', 5 * WIDTH],
      ['a.qkv.kv.bias', 2 * WIDTH],
      ['a.qkv.kv.weight', 2 * WIDTH * WIDTH],
      ['a.qkv.q.bias', WIDTH],
      ['a.qkv.q.weight', WIDTH * WIDTH],
    ]);
    expect([...given.state.keys()]).toEqual(['a.qkv.weight', 'a.qkv.bias', 'a.out.weight']);
    const quantised = FORMS.int8(given);
    const int8 = splitQueries(quantised.graph, quantised.state);
    expect(int8.state.get('a.qkv.weight.q.int8')).toHaveLength(WIDTH * WIDTH);
    expect(int8.state.get('a.qkv.weight.kv.scale')).toHaveLength(2 * WIDTH);
  });

  test('leaves what needs more than one query, or the projection as a whole', () => {
    const all = layer({}, (qkv) => qkv);
    const qkv = all.graph.nodes.find(({ operation }) => operation.name === 'attention')!.inputs[0]!;
    all.graph.output('qkv', qkv);
    const turned = layer({}, (x) => rotary(x, { heads: HEADS }));
    const shared = layer();
    shared.graph.output('weight', shared.graph.states.get('a.qkv.weight')!.tensor);
    const unknown = layer();
    unknown.state.delete('a.qkv.bias');
    for (const given of [all, turned, shared, unknown]) {
      const split = splitQueries(given.graph, given.state);
      expect(kernels(split)).toEqual(kernels(given));
      expect(split.state).toEqual(given.state);
    }
  });

  const sets = nativeAvailable() ? runtimeInfo().available : [];
  test.each(sets)('changes no bit of a prediction on %s', (isa) => {
    for (const form of Object.values(FORMS)) {
      const whole = form(layer());
      expect(predicted(splitQueries(whole.graph, whole.state), isa)).toEqual(predicted(whole, isa));
    }
  });
});
