import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, nearest } from '../core/options.js';
import type { EngineAddon, Isa, NativePlan, NativeRun, NativeState, PlanMemory, StepProfile } from './addon.js';
import { translated } from './addon.js';
import { allocate, checkArray } from './array-checks.js';
import { requireAddon } from './load.js';
import type { DType, PlanSpec, StateSpec, TypedArray } from './plan-spec.js';
import { Deliveries } from './runs.js';

/** The device seam: what a backend offers. `device(name)` picks one. */
export interface Device {
  readonly name: string;
  /** Named zeroed buffers. @throws FlashbookError NATIVE, SHAPE */
  createState(specs: StateSpec[]): State;
  /** Checks and binds a plan. @throws FlashbookError NATIVE, SHAPE; the message names the step or tensor */
  createPlan(spec: PlanSpec, state: State, options?: PlanOptions): Plan;
  /**
   * Runs plans of this device one after another off the event loop, in one native call: nothing waits for JavaScript between them.
   * Inputs and outputs as `Plan.run` has them. After a run with an output that must be finite and is not, the rest is left out.
   *
   * @returns the number of runs that were made; the outputs of the others are as they were
   * @throws FlashbookError SHAPE, DISPOSED, NATIVE
   */
  runSequence(runs: readonly PlanRun[]): Promise<number>;
}

/** One run of a sequence. */
export interface PlanRun {
  plan: Plan;
  inputs: TypedArray[];
  outputs?: TypedArray[];
  /** Indices of outputs, f32, that must be finite for the sequence to go on; they need `outputs`. */
  finite?: readonly number[];
}

/** sm_80 and so on, by compute capability. */
export type CudaArchitecture = `sm_${number}`;

export interface PlanOptions {
  /** The state will not change while the plan lives: weights are packed once and shared by all frozen plans of it. */
  frozen?: boolean;
  /** Force an instruction set, one of `runtimeInfo().available`. Only for the processor. */
  isa?: Isa;
}

export interface State {
  readonly specs: readonly StateSpec[];
  /** Copies `data` in. Refused while a frozen plan reads the buffer. */
  set(name: string, data: TypedArray): void;
  /** Copies the buffer out, into `out` or a new array. */
  get(name: string, out?: TypedArray): TypedArray;
  readonly bytes: number;
  /**
   * Frees the buffers of which living frozen plans read nothing but packed copies; `bytes` falls by theirs. Those buffers cannot be
   * set, read or used by new plans any more.
   */
  releasePacked(): void;
  /** Plans that use the state keep its memory until they are disposed. */
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface Plan {
  readonly spec: PlanSpec;
  /** The instruction set of the processor, or the architecture of the CUDA device, for which its kernels were chosen. */
  readonly isa: Isa | CudaArchitecture;
  /**
   * Runs the plan on this thread (and the pool). `inputs` and `outputs` in the order of the specification; outputs are
   * written in place. Without `outputs`, fetch what you need with `output()`.
   * @throws FlashbookError SHAPE, DISPOSED
   */
  runSync(inputs: TypedArray[], outputs?: TypedArray[]): void;
  /**
   * Runs the plan off the event loop. The inputs are copied before this returns; the outputs are written just before
   * the promise resolves. Runs of one environment are made one after another, in the order of the calls.
   */
  run(inputs: TypedArray[], outputs?: TypedArray[]): Promise<void>;
  /** A copy of output `index` as the last run left it, in `out` or a new array. */
  output(index: number, out?: TypedArray): TypedArray;
  memory(): PlanMemory;
  /** Starts counting time for each step from zero, or stops it. */
  setProfiling(enabled: boolean): void;
  /** One entry a step, in order; calls and nanoseconds since `setProfiling(true)`. */
  profile(): StepProfile[];
  dispose(): void;
  [Symbol.dispose](): void;
}

/** The processor of this machine. @throws FlashbookError NATIVE when the native core is absent */
export function cpu(): Device {
  processor ??= new AddonDevice('cpu', requireAddon());
  return processor;
}

let processor: Device | undefined;

/** A device whose states and plans are the objects of an addon. */
export class AddonDevice implements Device {
  readonly name: string;
  readonly addon: EngineAddon;
  readonly deliveries: Deliveries;
  /** Of a CUDA device; undefined for the processor, whose plans know their set themselves. */
  readonly architecture: CudaArchitecture | undefined;

  constructor(name: string, addon: EngineAddon, architecture?: CudaArchitecture) {
    this.name = name;
    this.addon = addon;
    this.deliveries = new Deliveries(addon);
    this.architecture = architecture;
  }

  createState(specs: StateSpec[]): State {
    return new AddonState(this, specs);
  }

  createPlan(spec: PlanSpec, state: State, options: PlanOptions = {}): Plan {
    checkOptions('createPlan', options, ['frozen', 'isa']);
    if (!(state instanceof AddonState) || state.device !== this) {
      throw invalid('state', `a state of the device ${this.name}`, state, 'SHAPE');
    }
    if (this.architecture !== undefined && options.isa !== undefined) {
      throw invalid('isa', `no instruction set for the device ${this.name}`, options.isa);
    }
    return new AddonPlan(this, spec, state, options);
  }

  async runSequence(runs: readonly PlanRun[]): Promise<number> {
    if (!Array.isArray(runs)) throw invalid('runs', 'an array of runs', runs, 'SHAPE');
    const { made, outputs } = await this.deliveries.start(runs.map((run, i) => this.#nativeRun(run, i)));
    let offset = 0;
    for (const { plan, outputs: wanted } of runs.slice(0, made)) {
      if (wanted === undefined) continue;
      (plan as AddonPlan).checkOutputs(wanted); // they may have been detached meanwhile
      for (const output of wanted) {
        const target = new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
        target.set(new Uint8Array(outputs as ArrayBuffer, offset, output.byteLength));
        offset += output.byteLength;
      }
    }
    return made;
  }

  #nativeRun({ plan, inputs, outputs, finite }: PlanRun, i: number): NativeRun {
    if (!(plan instanceof AddonPlan) || plan.device !== this) {
      throw invalid(`runs[${i}].plan`, `a plan of the device ${this.name}`, plan, 'SHAPE');
    }
    plan.checkInputs(inputs);
    if (outputs !== undefined) plan.checkOutputs(outputs);
    return { plan: plan.native, inputs, wantsOutputs: outputs !== undefined, watched: finite };
  }
}

/** Calls native code and turns its errors into FlashbookErrors. */
function native<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translated(error);
  }
}

const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

class AddonState implements State {
  readonly device: AddonDevice;
  readonly specs: readonly StateSpec[];
  readonly native: NativeState;
  #bytes: number;
  readonly #elements = new Map<string, { dtype: DType; elements: number }>();

  constructor(device: AddonDevice, specs: StateSpec[]) {
    const { NativeState } = device.addon;
    this.device = device;
    this.native = native(() => new NativeState(specs));
    this.#bytes = this.native.bytes();
    this.specs = structuredClone(specs);
    for (const { name, dtype, shape } of this.specs) this.#elements.set(name, { dtype, elements: elementsOf(shape) });
  }

  set(name: string, data: TypedArray): void {
    const { dtype, elements } = this.#find(name);
    checkArray('state', name, data, dtype, elements);
    native(() => this.native.set(name, data));
  }

  get(name: string, out?: TypedArray): TypedArray {
    const { dtype, elements } = this.#find(name);
    const target = out === undefined ? allocate(dtype, elements) : out;
    checkArray('state', name, target, dtype, elements);
    native(() => this.native.get(name, target));
    return target;
  }

  get bytes(): number {
    return this.#bytes;
  }

  releasePacked(): void {
    native(() => this.native.releasePacked());
    this.#bytes = this.native.bytes();
  }

  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #find(name: string): { dtype: DType; elements: number } {
    const found = this.#elements.get(name);
    if (found !== undefined) return found;
    const guess = typeof name === 'string' ? nearest(name, [...this.#elements.keys()]) : undefined;
    throw new FlashbookError(
      'SHAPE',
      `the state has no buffer '${name}'${guess === undefined ? '' : `; did you mean '${guess}'?`}`,
      { name, guess },
    );
  }
}

interface Port {
  name: string;
  dtype: DType;
  elements: number;
}

class AddonPlan implements Plan {
  readonly spec: PlanSpec;
  readonly isa: Isa | CudaArchitecture;
  readonly device: AddonDevice;
  readonly native: NativePlan;
  readonly #inputs: Port[];
  readonly #outputs: Port[];

  constructor(device: AddonDevice, spec: PlanSpec, state: AddonState, options: PlanOptions) {
    const { NativePlan } = device.addon;
    this.device = device;
    const { frozen = false, isa } = options;
    this.native = native(() => new NativePlan(spec, state.native, frozen, isa));
    this.isa = device.architecture ?? this.native.isa();
    this.spec = spec;
    const port = (index: number): Port => {
      const { name, dtype, shape } = spec.tensors[index];
      return { name, dtype, elements: elementsOf(shape) };
    };
    this.#inputs = spec.inputs.map(port);
    this.#outputs = spec.outputs.map(port);
  }

  checkInputs(inputs: TypedArray[]): void {
    checkArrays('input', inputs, this.#inputs);
  }

  checkOutputs(outputs: TypedArray[]): void {
    checkArrays('output', outputs, this.#outputs);
  }

  runSync(inputs: TypedArray[], outputs?: TypedArray[]): void {
    this.checkInputs(inputs);
    if (outputs !== undefined) this.checkOutputs(outputs);
    try {
      this.native.runSync(inputs, outputs);
    } catch (error) {
      throw translated(error);
    }
  }

  async run(inputs: TypedArray[], outputs?: TypedArray[]): Promise<void> {
    await this.device.runSequence([{ plan: this, inputs, outputs }]);
  }

  output(index: number, out?: TypedArray): TypedArray {
    const port = this.#outputs[index];
    if (port === undefined) {
      throw invalid('index', `an output between 0 and ${this.#outputs.length - 1}`, index, 'SHAPE');
    }
    const target = out === undefined ? allocate(port.dtype, port.elements) : out;
    checkArray('output', port.name, target, port.dtype, port.elements);
    native(() => this.native.output(index, target));
    return target;
  }

  memory(): PlanMemory {
    return native(() => this.native.memory());
  }

  setProfiling(enabled: boolean): void {
    native(() => this.native.setProfiling(enabled));
  }

  profile(): StepProfile[] {
    return native(() => this.native.profile());
  }

  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkArrays(kind: 'input' | 'output', arrays: readonly TypedArray[], ports: readonly Port[]): void {
  if (!Array.isArray(arrays) || arrays.length !== ports.length) {
    const names = ports.map(({ name }) => name).join(', ');
    throw invalid(`${kind}s`, `an array of ${ports.length} typed arrays (${names})`, arrays, 'SHAPE');
  }
  for (let i = 0; i < ports.length; i++) {
    const { name, dtype, elements } = ports[i];
    checkArray(kind, name, arrays[i], dtype, elements);
  }
}
