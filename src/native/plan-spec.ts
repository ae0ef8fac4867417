/**
 * A plan: a graph after memory planning. A flat list of kernel calls over one arena and some named state buffers, plain
 * JSON, so that it can be stored in an artefact, inspected, and bound by any backend.
 */
export type DType = 'f32' | 'i32' | 'u32' | 'i8' | 'u8';

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = { f32: 4, i32: 4, u32: 4, i8: 1, u8: 1 };

export type TypedArray = Float32Array | Int32Array | Uint32Array | Int8Array | Uint8Array;

/** A dense row-major tensor: a place in the arena, or a whole named state buffer. */
export interface PlanTensor {
  /** Name for people; for `space: 'state'` it is the name of the state buffer. */
  name: string;
  dtype: DType;
  shape: number[];
  space: 'arena' | 'state';
  /** Byte offset in the arena, a multiple of 64; 0 for state. */
  offset: number;
}

export type PlanAttribute = number | string | boolean | readonly number[];

/** One kernel call. Operands are indices into `tensors`; −1 stands for an absent optional operand. */
export interface PlanStep {
  kernel: string;
  inputs: number[];
  outputs: number[];
  attrs: Record<string, PlanAttribute>;
}

export interface PlanSpec {
  version: 1;
  /** Bytes of the arena, a multiple of 64, without the kernels' own scratch. */
  arenaBytes: number;
  tensors: PlanTensor[];
  steps: PlanStep[];
  /** Tensors that the caller fills before a run, in order; always in the arena. */
  inputs: number[];
  /** Tensors that the caller reads after a run, in order. */
  outputs: number[];
}

/** A named buffer that outlives runs: parameters, gradients, moments, running statistics. */
export interface StateSpec {
  name: string;
  dtype: DType;
  shape: number[];
}
