import { compilePlan, constants, type Graph, type Pass, stateSpecs, type Value } from '../../src/graph/index.js';
import { cpu, type Device, type Isa, type TypedArray } from '../../src/native/index.js';

const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, i8: Int8Array, u8: Uint8Array } as const;

export interface NativeRun {
  outputs: Record<string, TypedArray>;
  updates: Record<string, TypedArray>;
}

/** Compiles a graph and runs it once on the native engine with the arguments of interpret(). */
export function runNative(
  graph: Graph,
  {
    inputs = {},
    state = {},
  }: { inputs?: Record<string, ArrayLike<number>>; state?: Record<string, ArrayLike<number>> },
  {
    isa,
    passes,
    reuse,
    device = cpu(),
  }: { isa?: Isa; passes?: readonly Pass[]; reuse?: boolean; device?: Device } = {},
): NativeRun {
  const spec = compilePlan(graph, { passes, reuse });
  using buffers = device.createState(stateSpecs(graph));
  for (const [name, data] of constants(graph)) buffers.set(name, data);
  for (const { name, dtype } of buffers.specs) {
    if (name in state) buffers.set(name, new ARRAYS[dtype](state[name]));
  }
  using plan = device.createPlan(spec, buffers, { isa });
  const arrays = [...graph.inputs].map(([name, { dtype }]) => new ARRAYS[dtype](inputs[name]));
  const outputs = [...graph.outputs].map(
    ([name, tensor]) => [name, new ARRAYS[tensor.dtype](tensor.shape.reduce((a, b) => a * b, 1))] as const,
  );
  plan.runSync(
    arrays,
    outputs.map(([, array]) => array),
  );
  const updates = [...graph.updates.keys()].map((name) => [name, buffers.get(name)] as const);
  return { outputs: Object.fromEntries(outputs), updates: Object.fromEntries(updates) };
}

/**
 * The first place where `actual` is further from the float64 `expected` than `ulps` · 2⁻²⁴ · scale, in words; undefined if
 * there is none. NaN and infinities must be in the same places. `scale` is the largest finite |expected|, or with
 * `relative` each element's own size, or that of the same element of `sizes`.
 */
export function difference(
  actual: TypedArray,
  expected: Value,
  { ulps = 8, relative = false }: { ulps?: number; relative?: boolean },
  sizes: ArrayLike<number> = expected.data,
): string | undefined {
  let largest = 0;
  for (const value of expected.data) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  for (let i = 0; i < actual.length; i++) {
    const wanted = Math.fround(expected.data[i]);
    if (Object.is(actual[i], wanted) || actual[i] === wanted) continue;
    const scale = relative ? Math.abs(Math.fround(sizes[i])) : largest;
    const allowed = Math.max(ulps * 2 ** -24 * scale, ulps * 2 ** -149);
    if (!(Math.abs(actual[i] - wanted) <= allowed)) return `[${i}]: ${actual[i]}, expected ${wanted} ± ${allowed}`;
  }
  return actual.length === expected.data.length ? undefined : `length ${actual.length}, not ${expected.data.length}`;
}
