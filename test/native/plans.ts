import { FlashbookError } from '../../src/core/errors.js';
import { cpu, type PlanSpec, type TypedArray } from '../../src/native/index.js';

/** Plans for the tests of the engine itself: y = factor · x, `steps` times over two arena tensors. */
export function scalePlan(elements: number, factor = 2, steps = 1): PlanSpec {
  const room = Math.ceil((elements * 4) / 64) * 64;
  return {
    version: 1,
    arenaBytes: 2 * room,
    tensors: [
      { name: 'x', dtype: 'f32', shape: [elements], space: 'arena', offset: 0 },
      { name: 'y', dtype: 'f32', shape: [elements], space: 'arena', offset: room },
    ],
    steps: Array.from({ length: steps }, () => ({ kernel: 'scale', inputs: [0], outputs: [1], attrs: { factor } })),
    inputs: [0],
    outputs: [1],
  };
}

/** y = factor · w, where w is a state buffer. */
export function readStatePlan(elements: number, factor = 2): PlanSpec {
  const spec = scalePlan(elements, factor);
  spec.tensors.push({ name: 'w', dtype: 'f32', shape: [elements], space: 'state', offset: 0 });
  spec.steps[0].inputs = [2];
  spec.inputs = [];
  return spec;
}

/** y = x·wᵀ, where w (n × k) is a state buffer and x is m × k. */
export function linearPlan(m: number, n: number, k: number): PlanSpec {
  const room = Math.ceil((m * k) / 16) * 64;
  return {
    version: 1,
    arenaBytes: room + Math.ceil((m * n) / 16) * 64,
    tensors: [
      { name: 'x', dtype: 'f32', shape: [m, k], space: 'arena', offset: 0 },
      { name: 'w', dtype: 'f32', shape: [n, k], space: 'state', offset: 0 },
      { name: 'y', dtype: 'f32', shape: [m, n], space: 'arena', offset: room },
    ],
    steps: [{ kernel: 'linear', inputs: [0, 1], outputs: [2], attrs: {} }],
    inputs: [0],
    outputs: [2],
  };
}

/** w = factor · w in place. */
export function writeStatePlan(elements: number, factor = 2): PlanSpec {
  const spec = readStatePlan(elements, factor);
  spec.steps[0].outputs = [2];
  spec.outputs = [2];
  return spec;
}

/**
 * Binds a specification that may be nonsense and runs it once if it is accepted; whether it was. Anything but a
 * FlashbookError is thrown on, and a crash ends the test's process.
 */
export function acceptsOrRefuses(spec: PlanSpec, frozen: boolean): boolean {
  try {
    const device = cpu();
    const plan = device.createPlan(spec, device.createState([{ name: 'w', dtype: 'f32', shape: [3] }]), { frozen });
    plan.runSync(
      spec.inputs.map((index) => ones(spec, index)),
      spec.outputs.map((index) => ones(spec, index)),
    );
    plan.dispose();
    return true;
  } catch (error) {
    if (!(error instanceof FlashbookError)) throw error;
    return false;
  }
}

function ones(spec: PlanSpec, index: number): TypedArray {
  const { dtype, shape } = spec.tensors[index];
  const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, i8: Int8Array, u8: Uint8Array };
  return new arrays[dtype](shape.reduce((a, b) => a * b, 1)).fill(1);
}
