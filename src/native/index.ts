/** The only door to the native core: what this machine can do, and the devices that run plans. */
import { integer } from '../core/options.js';
import type { Isa } from './addon.js';
import { type KernelVariant, translated } from './addon.js';
import { requireAddon, tryLoad } from './load.js';

export type { Isa, KernelVariant, PlanMemory, StepProfile } from './addon.js';
export { addNormals, multiplySplines } from './augment.js';
export {
  type CudaDeviceInfo,
  type CudaState,
  type CudaStatus,
  cuda,
  cudaStatus,
  cudaSteps,
  type DeviceName,
  device,
  resolveDevice,
} from './cuda.js';
export {
  type CudaArchitecture,
  cpu,
  type Device,
  type Plan,
  type PlanOptions,
  type PlanRun,
  type State,
} from './device.js';
export { firstNotFinite } from './finite.js';
export { PEAK_KINDS, type PeakKind, type PeakRun, runPeak } from './peak.js';
export * from './plan-spec.js';

export interface RuntimeInfo {
  /** The set that plans use unless `PlanOptions.isa` says otherwise. */
  isa: Isa;
  /** Sets that were built, that the processor has and whose registers the operating system saves; rising order. */
  available: Isa[];
  cpu: string;
  /** Threads that may work at once, the calling one included. */
  threads: number;
  /** Where that number comes from: affinity, a cgroup quota, FLASHBOOK_THREADS or setThreads. */
  threadSource: string;
  addonPath: string;
  version: string;
  compiler: string;
  /** Environment variables that could not be honoured, one sentence each. */
  problems: string[];
  /** Names of the kernels that a plan may call. */
  steps: string[];
  /** Kernel families and the sets for which each was built. */
  kernels: KernelVariant[];
}

/** Whether there is a native core for this machine; `nativeProblem()` says why not. */
export function nativeAvailable(): boolean {
  return tryLoad().addon !== undefined;
}

/** Why the native core is absent and what to type; undefined when it is there. */
export function nativeProblem(): string | undefined {
  return tryLoad().problem;
}

/** @throws FlashbookError NATIVE when the native core is absent */
export function runtimeInfo(): RuntimeInfo {
  const addon = requireAddon();
  return { ...addon.runtimeInfo(), addonPath: tryLoad().path as string };
}

/** Sets how many threads of the process may work at once, 1 to 256; results do not depend on it. */
export function setThreads(count: number): void {
  integer('threads', count, 1, 256);
  try {
    requireAddon().setThreads(count);
  } catch (error) {
    throw translated(error);
  }
}
