import { OPERATIONS } from '../../src/graph/index.js';
import type { Device, Plan, PlanRun, State } from '../../src/native/index.js';
import type { DType, PlanSpec, PlanTensor, StateSpec, TypedArray } from '../../src/native/plan-spec.js';

/**
 * The Device seam in plain TypeScript: plans run step by step over a real arena, each step by the float64 definition of its
 * operation, rounded to the tensor's dtype (f32 not, if `precise`). Slow, and an oracle for backends and for the memory plan.
 */
export function referenceDevice({ precise = false } = {}): Device {
  const arrays = precise ? PRECISE : ARRAYS;
  return {
    name: 'reference',
    createState: (specs) => new ReferenceState(specs, arrays),
    createPlan: (spec, state) => new ReferencePlan(spec, state as ReferenceState, arrays),
    runSequence,
  };
}

async function runSequence(runs: readonly PlanRun[]): Promise<number> {
  const copies = runs.map(({ inputs }) => inputs.map((input) => input.slice()));
  await new Promise((done) => setImmediate(done));
  for (const [i, { plan, outputs, finite = [] }] of runs.entries()) {
    plan.runSync(copies[i], outputs);
    if (!finite.every((o) => (outputs as Float32Array[])[o].every(Number.isFinite))) return i + 1;
  }
  return runs.length;
}

type Arrays = Record<DType, new (buffer: number | ArrayBuffer, offset?: number, length?: number) => TypedArray>;
const ARRAYS = {
  f32: Float32Array,
  i32: Int32Array,
  u32: Uint32Array,
  i8: Int8Array,
  u8: Uint8Array,
} as unknown as Arrays;
/** Nothing is rounded: float64 in memory too. */
const PRECISE = { ...ARRAYS, f32: Float64Array } as unknown as Arrays;
const count = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

class ReferenceState implements State {
  readonly buffers = new Map<string, TypedArray>();

  constructor(
    readonly specs: StateSpec[],
    arrays: Arrays,
  ) {
    for (const { name, dtype, shape } of specs) this.buffers.set(name, new arrays[dtype](count(shape)));
  }

  get bytes(): number {
    return [...this.buffers.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  set(name: string, data: TypedArray): void {
    const buffer = this.#buffer(name);
    const kind = buffer.constructor as unknown;
    if (data.length !== buffer.length || (data.constructor !== kind && kind !== Float64Array))
      throw new Error(`wrong data for '${name}'`);
    buffer.set(data as never);
  }

  get(name: string): TypedArray {
    return this.#buffer(name).slice();
  }

  #buffer(name: string): TypedArray {
    const buffer = this.buffers.get(name);
    if (buffer === undefined) throw new Error(`no state '${name}'`);
    return buffer;
  }

  releasePacked(): void {}
  dispose(): void {}
  [Symbol.dispose](): void {}
}

class ReferencePlan implements Plan {
  readonly isa = 'scalar';
  readonly #arrays: TypedArray[];

  constructor(
    readonly spec: PlanSpec,
    state: ReferenceState,
    arrays: Arrays,
  ) {
    // Twice the room: float64 elements lie at twice the offset.
    const wide = arrays === PRECISE ? 2 : 1;
    const arena = new ArrayBuffer(wide * spec.arenaBytes);
    this.#arrays = spec.tensors.map(({ name, dtype, shape, space, offset }) => {
      if (space === 'arena') return new arrays[dtype](arena, wide * offset, count(shape));
      const buffer = state.buffers.get(name);
      if (buffer === undefined || buffer.length !== count(shape))
        throw new Error(`state '${name}' does not fit the plan`);
      return buffer;
    });
  }

  runSync(inputs: TypedArray[], outputs: TypedArray[] = []): void {
    const { spec } = this;
    if (inputs.length !== spec.inputs.length) throw new Error(`${spec.inputs.length} inputs expected`);
    spec.inputs.forEach((tensor, i) => {
      if (inputs[i].length !== this.#arrays[tensor].length) throw new Error(`wrong length of input ${i}`);
      this.#arrays[tensor].set(inputs[i] as never);
    });
    for (const step of spec.steps) {
      const read = step.inputs.map((t) => (t < 0 ? undefined : this.#value(spec.tensors[t], t, true)));
      const written = step.outputs.map((t) => this.#value(spec.tensors[t], t, false));
      OPERATIONS.get(step.kernel)!.reference(read as never, step.attrs, written);
      step.outputs.forEach((t, i) => void this.#arrays[t].set(written[i].data as never));
    }
    spec.outputs.forEach((tensor, i) => void outputs[i]?.set(this.#arrays[tensor] as never));
  }

  async run(inputs: TypedArray[], outputs?: TypedArray[]): Promise<void> {
    await runSequence([{ plan: this, inputs, outputs }]);
  }

  #value({ shape, dtype }: PlanTensor, tensor: number, filled: boolean) {
    const data = filled ? Float64Array.from(this.#arrays[tensor]) : new Float64Array(count(shape));
    return { shape, dtype, data };
  }

  output(index: number): TypedArray {
    return this.#arrays[this.spec.outputs[index]].slice();
  }

  memory() {
    return { arenaBytes: this.spec.arenaBytes, workspaceBytes: 0, packedBytes: 0 };
  }

  setProfiling(): void {}

  profile() {
    return [];
  }

  dispose(): void {}
  [Symbol.dispose](): void {}
}
