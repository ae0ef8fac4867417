/**
 * The addon's own face, one to one with native/addon/*.cc. The files of this folder wrap it; nobody else imports it.
 * Glue files add their functions by declaration merging on `Addon`.
 */
import { type ErrorCode, FlashbookError } from '../core/errors.js';
import type { PlanSpec, StateSpec, TypedArray } from './plan-spec.js';

/** Instruction sets in rising order. */
export type Isa = 'scalar' | 'avx2' | 'avx512' | 'avx512vnni' | 'avx512bf16' | 'amx';

/** A kernel variant of the manifest native/kernels.def. */
export interface KernelVariant {
  family: string;
  dtype: string;
  isa: Isa;
  available: boolean;
}

export interface NativeRuntimeInfo {
  isa: Isa;
  available: Isa[];
  cpu: string;
  threads: number;
  threadSource: string;
  version: string;
  compiler: string;
  problems: string[];
  steps: string[];
  kernels: KernelVariant[];
}

export interface StepProfile {
  kernel: string;
  /** Name of the step's first output. */
  label: string;
  calls: number;
  nanoseconds: number;
  /** Useful floating-point operations of one call. */
  flops: number;
  /** Bytes that one call must read and write at least. */
  bytes: number;
}

export interface PlanMemory {
  arenaBytes: number;
  workspaceBytes: number;
  packedBytes: number;
}

export interface NativeState {
  set(name: string, data: TypedArray): void;
  get(name: string, out: TypedArray): void;
  bytes(): number;
  releasePacked(): void;
  dispose(): void;
}

export interface NativePlan {
  runSync(inputs: readonly TypedArray[], outputs: readonly TypedArray[] | undefined): void;
  output(index: number, out: TypedArray): void;
  memory(): PlanMemory;
  profile(): StepProfile[];
  setProfiling(enabled: boolean): void;
  isa(): Isa;
  dispose(): void;
}

/** One run of a job. */
export interface NativeRun {
  plan: NativePlan;
  inputs: readonly TypedArray[];
  wantsOutputs: boolean;
  /** Indices of outputs, f32: where one of them is not finite, the job ends after this run. */
  watched: readonly number[] | undefined;
}

/** Told that a job has ended; `outputs` of the runs that were made, one behind the other; `problem` says why a device failed. */
export type Deliver = (
  id: number,
  completed: boolean,
  outputs: ArrayBuffer | undefined,
  problem: string | undefined,
  made: number,
) => void;

/** What every backend's addon offers: state buffers, and plans over them. */
export interface EngineAddon {
  NativeState: new (specs: readonly StateSpec[]) => NativeState;
  NativePlan: new (spec: PlanSpec, state: NativeState, frozen: boolean, isa: Isa | undefined) => NativePlan;
  /** Who is told that a started job has ended. */
  onDelivery(deliver: Deliver): void;
  /** Starts a job: runs of plans one after another. */
  start(id: number, runs: readonly NativeRun[]): void;
}

export interface Addon extends EngineAddon {
  runtimeInfo(): NativeRuntimeInfo;
  setThreads(count: number): void;
}

/** Native code throws plain errors with a `code`: the same as a FlashbookError, everything else unchanged. */
export function translated(error: unknown): unknown {
  if (error instanceof FlashbookError || !(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') return error;
  return new FlashbookError(code as ErrorCode, error.message, {}, { cause: error });
}
