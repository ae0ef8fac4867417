export interface Cost {
  registers: number;
  /** Bytes of static shared memory, and of local memory. */
  shared: number;
  stack: number;
  spills: number;
  instructions?: number;
  opcodes?: Record<string, number>;
  /** Theoretical, in percent of the threads of a multiprocessor, with the shared memory of a launch. */
  occupancy?: number;
}
/** By architecture; dynamicShared: bytes of shared memory that a launch asks for besides. */
export type Kernel = { threads: number; dynamicShared: number } & Record<string, Cost | number>;
/** By source file and readable name. */
export type Table = Record<string, Record<string, Kernel>>;
export const ARCHITECTURES: readonly string[];
export function compiler(): string;
export function kept(): { nvcc: string; kernels: Table };
export function sources(): string[];
export function inspectAll(): Table;
export function differences(before: Table, found: Table): string[];
export function printed(table: Table): string;
