/** Holds a kernel to the float64 definition of its operation: on every instruction set, with one thread and with two. */
import { expect } from 'vitest';
import { Random } from '../../src/core/random.js';
import type { Attributes, Operation, Value } from '../../src/graph/operation.js';
import { runtimeInfo, type TypedArray } from '../../src/native/index.js';
import { dtypeOf, elements, runStep, type StepOperand, sameBits } from './one-step.js';

/** The sets of this machine; a family without kernels of its own for a set runs those of the next lower one. */
export const SETS = runtimeInfo().available;

export const f32 = (shape: number[], values: ArrayLike<number>): StepOperand => ({
  shape,
  data: Float32Array.from(values),
});
export const i32 = (shape: number[], values: ArrayLike<number>): StepOperand => ({
  shape,
  data: Int32Array.from(values),
});
export const u32 = (shape: number[], values: ArrayLike<number>): StepOperand => ({
  shape,
  data: Uint32Array.from(values),
});

/** Normal draws of a seed. */
export function drawn(shape: number[], seed: number, deviation = 1, mean = 0): StepOperand {
  const random = new Random(seed);
  return f32(
    shape,
    Float32Array.from({ length: elements(shape) }, () => mean + deviation * random.normal()),
  );
}

/** What arithmetic treats apart: signed zeros, subnormals, large and infinite values, NaN. */
export const SPECIAL = [
  0,
  -0,
  1,
  -1,
  1e-45,
  -1e-45,
  1.1754942e-38,
  -1e-38,
  1e30,
  -1e30,
  Infinity,
  -Infinity,
  NaN,
  88.8,
  -104,
];

/** The results of the definition. */
export function defined(
  operation: Operation<never>,
  inputs: (StepOperand | null)[],
  attrs: Attributes,
): { shape: number[]; data: Float64Array }[] {
  const values = inputs.map((operand) =>
    operand === null
      ? undefined
      : { shape: operand.shape, dtype: dtypeOf(operand.data), data: Float64Array.from(operand.data) },
  ) as Value[];
  const results = operation
    .infer(values, attrs as never)
    .map(({ shape, dtype }) => ({ shape: [...shape], dtype, data: new Float64Array(elements(shape)) }));
  operation.reference(values, attrs as never, results);
  return results;
}

/** |actual − expected| at most `bound`, infinities and NaN exactly; else an error that says where and by how much. */
export function expectClose(
  actual: TypedArray,
  expected: ArrayLike<number>,
  bound: (expected: number, i: number) => number,
  what = 'value',
): void {
  expect(actual.length, what).toBe(expected.length);
  for (let i = 0; i < actual.length; i++) {
    // What float32 cannot hold overflows in it.
    const want = Number.isFinite(Math.fround(expected[i])) ? expected[i] : Math.fround(expected[i]);
    const got = actual[i];
    if (got === want || (Number.isNaN(got) && Number.isNaN(want))) continue;
    const limit = bound(want, i);
    if (!(Math.abs(got - want) <= limit)) {
      throw new Error(`${what} [${i}]: expected ${want} ± ${limit} but received ${got}`);
    }
  }
}

export interface OracleOptions {
  attrs?: Attributes;
  /** Error allowed for element i of a result. */
  bound: (result: number, expected: number, i: number) => number;
  /** Pairs [result, input]: run once more with that result in the memory of that input. */
  inPlace?: [number, number][];
}

/** Runs the step everywhere and compares; returns the outputs of the last set. */
export function againstDefinition(
  operation: Operation<never>,
  inputs: (StepOperand | null)[],
  { attrs = {}, bound, inPlace = [] }: OracleOptions,
): TypedArray[] {
  const expected = defined(operation, inputs, attrs);
  const call = {
    kernel: operation.name,
    inputs,
    outputs: expected.map(({ shape }) => ({ shape })),
    attrs: attrs as never,
  };
  let outputs: TypedArray[] = [];
  for (const isa of SETS) {
    outputs = runStep(call, { isa, threads: 1 });
    expected.forEach(({ data }, r) => {
      expectClose(outputs[r], data, (want, i) => bound(r, want, i), `${operation.name} ${isa} result ${r}`);
    });
    const same = (others: TypedArray[], what: string) => {
      for (const [r, other] of others.entries()) {
        expect(sameBits(other, outputs[r]), `${what}, ${isa}, result ${r}`).toBe(true);
      }
    };
    same(runStep(call, { isa, threads: 2 }), 'two threads');
    same(runStep(call, { isa, threads: 5 }), 'five threads');
    for (const [result, input] of inPlace) {
      const placed = call.outputs.map((output, r) => (r === result ? { ...output, inPlaceOf: input } : output));
      same(runStep({ ...call, outputs: placed }, { isa, threads: 2 }), `in place of input ${input}`);
    }
  }
  return outputs;
}
