import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { FlashbookError } from '../../src/core/errors.js';
import { compilePlan } from '../../src/graph/index.js';
import {
  cpu,
  DTYPE_BYTES,
  type DType,
  type Isa,
  type Plan,
  type PlanSpec,
  type PlanStep,
  runtimeInfo,
  type State,
  type StateSpec,
  type TypedArray,
} from '../../src/native/index.js';
import { CASES, caseGraph, size } from '../graph/cases.js';

// Kernels get pointers and trust them, so each step must refuse operands and attributes that do not fit together. Every
// row of the case table is bound with random faults; what is accepted is run, with a guard around every operand that must
// keep its value and, behind the last operand, a page that stops the process when it is touched (native/engine/memory.h).

vi.hoisted(() => {
  process.env.FLASHBOOK_GUARD_PAGES = '1';
});

const device = cpu();
const { steps, available } = runtimeInfo();
const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, i8: Int8Array, u8: Uint8Array } as const;

interface Operand {
  dtype: DType;
  shape: number[];
}

/** One kernel call by itself: `inputs` and `outputs` are indices into `operands`. */
interface Call extends PlanStep {
  operands: Operand[];
}

const calls = new Map<string, Call[]>(steps.map((kernel) => [kernel, []]));

function collect(spec: PlanSpec): void {
  for (const step of spec.steps) {
    const used = [...new Set([...step.inputs, ...step.outputs])].filter((index) => index >= 0);
    const operands = used.map((index) => ({ dtype: spec.tensors[index].dtype, shape: [...spec.tensors[index].shape] }));
    if (operands.some(({ shape }) => size(shape) > 20_000)) continue;
    const renamed = (index: number) => used.indexOf(index);
    calls.get(step.kernel)?.push({
      ...step,
      inputs: step.inputs.map(renamed),
      outputs: step.outputs.map(renamed),
      operands,
    });
  }
}

for (const row of CASES) collect(compilePlan(caseGraph(row).graph, { passes: [] }));
// Made by no differentiable operation of the graph.
calls.set('quantise_rows', [
  {
    kernel: 'quantise_rows',
    inputs: [0],
    outputs: [1, 2],
    attrs: {},
    operands: [
      { dtype: 'f32', shape: [3, 5, 37] },
      { dtype: 'i8', shape: [3, 5, 37] },
      { dtype: 'f32', shape: [3, 5] },
    ],
  },
]);
/** A list step: `each` operands of two tensors, of which those in `stored` are changed in place, then `shared` operands. */
function listCall(
  kernel: string,
  { each = 1, stored = [0], shared = [], extra = 0, attrs = {} }: Partial<ListCall>,
): void {
  const lists = [[33], [5, 7]].flatMap((shape) => Array.from({ length: each }, () => shape));
  const shapes = [...lists, ...shared, ...Array.from({ length: extra }, () => [1])];
  const inputs = shapes.slice(0, shapes.length - extra).map((_, i) => i);
  calls.set(kernel, [
    {
      kernel,
      inputs,
      outputs: [
        ...[0, 1].flatMap((t) => stored.map((k) => t * each + k)),
        ...Array.from({ length: extra }, (_, i) => inputs.length + i),
      ],
      attrs,
      operands: shapes.map((shape) => ({ dtype: 'f32', shape: [...shape] })),
    },
  ]);
}
interface ListCall {
  each: number;
  stored: number[];
  shared: number[][];
  extra: number;
  attrs: PlanStep['attrs'];
}
listCall('update_adam', { each: 4, stored: [0, 2, 3], shared: [[2, 8], [1]] });
listCall('update_lamb', { each: 4, stored: [0, 2, 3], shared: [[2, 8], [1]] });
listCall('update_sgd', { each: 3, stored: [0, 2], shared: [[2, 8], [1]] });
listCall('clamp_list', { attrs: { limit: 0.5 } });
listCall('centre_list', {});
listCall('unscale_list', { shared: [[1]], extra: 1 });
listCall('blend_list', { each: 2, shared: [[2]] });
listCall('ascend_list', { each: 2, shared: [[2]], extra: 1, attrs: { rho: 0.05, eta: 0.01 } });

type Fault = (call: Call, pick: (n: number) => number) => void;

const at = <T>(list: readonly T[], pick: (n: number) => number): T => list[pick(list.length)];

const FAULTS: readonly Fault[] = [
  (call, pick) => {
    const { shape } = at(call.operands, pick);
    if (shape.length > 0) shape[pick(shape.length)] += at([-1, 1, 2, 7], pick);
  },
  (call, pick) => {
    const { shape } = at(call.operands, pick);
    if (shape.length > 0) shape[pick(shape.length)] = at([1, 2, 3, 16], pick);
  },
  (call, pick) => {
    at(call.operands, pick).shape.splice(pick(2), pick(2), ...at([[], [1], [2], [1, 3]], pick));
  },
  (call, pick) => {
    const [a, b] = [at(call.operands, pick), at(call.operands, pick)];
    [a.shape, b.shape] = [b.shape, a.shape];
  },
  (call, pick) => {
    at(call.operands, pick).dtype = at<DType>(['f32', 'i32', 'u32', 'i8', 'u8'], pick);
  },
  (call, pick) => {
    const list = at([call.inputs, call.outputs], pick);
    if (list.length > 0) list[pick(list.length)] = pick(call.operands.length + 1) - 1;
  },
  (call, pick) => {
    const list = at([call.inputs, call.outputs], pick);
    if (pick(2) === 0) list.pop();
    else list.push(pick(call.operands.length + 1) - 1);
  },
  (call, pick) => {
    const names = Object.keys(call.attrs);
    if (names.length === 0) return;
    const strange = [0, 1, -1, 2, 3, 7, 0.5, 1e9, -1e300, 2 ** 31, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY];
    call.attrs[at(names, pick)] = at([...strange, 'last', 'gelu', '', true, false], pick);
  },
  (call, pick) => {
    const names = Object.keys(call.attrs);
    if (names.length > 0) delete call.attrs[at(names, pick)];
  },
];

/**
 * A plan of one call, every operand an input and an output, with a guard before each. Operand `last` ends where the arena
 * ends. With `frozen`, what the call only reads is state instead, as the weights of a predictor are, and may be packed.
 */
function guarded(call: Call, last: number, frozen: boolean) {
  const tensors: PlanSpec['tensors'] = [];
  let offset = 0;
  const place = (name: string, dtype: DType, shape: number[]): number => {
    tensors.push({ name, dtype, shape, space: 'arena', offset });
    offset += Math.ceil(Math.max(0, size(shape) * DTYPE_BYTES[dtype]) / 64) * 64;
    return tensors.length - 1;
  };
  const guards: number[] = [];
  const operands: number[] = [];
  const state: StateSpec[] = [];
  const count = call.operands.length;
  for (let turn = 1; turn <= count; turn++) {
    const i = (last + turn) % count;
    const name = `operand ${i}`;
    const { dtype, shape } = call.operands[i];
    if (frozen && !call.outputs.includes(i)) {
      operands[i] = tensors.push({ name, dtype, shape, space: 'state', offset: 0 }) - 1;
      state.push({ name, dtype, shape });
      continue;
    }
    guards.push(place('guard', 'u32', [64]));
    operands[i] = place(name, dtype, shape);
  }
  const moved = (index: number) => (index < 0 ? -1 : operands[index]);
  const { kernel, attrs } = call;
  const all = tensors.flatMap(({ space }, i) => (space === 'arena' ? [i] : []));
  const step = { kernel, attrs, inputs: call.inputs.map(moved), outputs: call.outputs.map(moved) };
  const spec: PlanSpec = { version: 1, arenaBytes: offset, tensors, steps: [step], inputs: all, outputs: all };
  return { spec, guards, state };
}

interface Setting {
  last: number;
  isa: Isa;
  frozen: boolean;
}

/** Binds and runs a call; whether it was accepted. */
function tryCall(call: Call, { last, isa, frozen }: Setting, pick: (n: number) => number): boolean {
  const { spec, guards, state: specs } = guarded(call, last, frozen);
  const values = (dtype: DType, shape: number[]): TypedArray => {
    const some = dtype === 'f32' ? [1, -0.5, 0, 3e38, Number.NaN] : [0, 1, 2, -1, 100, 2 ** 31 - 1, -(2 ** 31)];
    return new ARRAYS[dtype](size(shape)).map(() => at(some, pick)) as TypedArray;
  };
  let state: State | undefined;
  let plan: Plan;
  try {
    state = device.createState(specs);
    for (const { name, dtype, shape } of specs) state.set(name, values(dtype, shape));
    plan = device.createPlan(spec, state, { isa, frozen });
  } catch (error) {
    if (!(error instanceof FlashbookError)) throw error;
    state?.dispose();
    return false;
  }
  const guard = new Uint32Array(64).fill(0xdeadbeef);
  const arrays = spec.inputs.map((i): TypedArray => {
    const { dtype, shape } = spec.tensors[i];
    return guards.includes(i) ? guard.slice() : values(dtype, shape);
  });
  plan.runSync(arrays, arrays);
  // Guarded memory is mapped piece by piece, and a process may have only so many mappings: nothing waits for the collector.
  plan.dispose();
  state.dispose();
  for (const [place, i] of spec.inputs.entries()) {
    if (guards.includes(i)) expect(arrays[place], `guard ${i} of ${JSON.stringify(spec)}`).toEqual(guard);
  }
  return true;
}

describe.each([...calls])('%s', (kernel, rows) => {
  it('has rows in the case table, and accepts them', () => {
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      for (const isa of available) {
        for (const last of row.operands.keys()) {
          const setting = { last, isa, frozen: last === 0 };
          const accepted = tryCall(structuredClone(row), setting, () => 0);
          expect(accepted, JSON.stringify([setting, row])).toBe(true);
        }
      }
    }
  });

  it('refuses operands and attributes that do not fit, and never writes beside them', () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (stream) => {
        const pick = (n: number) => (stream.next().value as number) % Math.max(1, n);
        const call = structuredClone(at(rows, pick));
        for (let faults = 1 + pick(3); faults > 0; faults--) at(FAULTS, pick)(call, pick);
        if (call.operands.some(({ shape }) => size(shape) > 100_000)) return;
        const setting = { last: pick(call.operands.length), isa: at(available, pick), frozen: pick(3) === 0 };
        if (!tryCall(call, setting, pick)) refused++;
      }),
      { numRuns: 400, seed: 3 },
    );
    expect(refused, kernel).toBeGreaterThan(50);
  });
});
