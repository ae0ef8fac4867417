import {
  cpu,
  DTYPE_BYTES,
  type DType,
  type Isa,
  type PlanAttribute,
  type PlanSpec,
  type PlanTensor,
  type StateSpec,
  setThreads,
  type TypedArray,
} from '../../src/native/index.js';

/** An operand of the one step: in the arena and filled before the run, or a state buffer. */
export interface StepOperand {
  shape: number[];
  data: TypedArray;
  state?: boolean;
}

/** The operands of an int8 product. */
export interface Int8Layer {
  m: number;
  n: number;
  k: number;
  x: Float32Array | Uint8Array;
  wq: Int8Array;
  wscale: Float32Array;
  bias?: Float32Array;
  residual?: Float32Array;
}

export function int8Operands({ m, n, k, x, wq, wscale, bias, residual }: Int8Layer): (StepOperand | null)[] {
  return [
    { shape: [m, k], data: x },
    { shape: [n, k], data: wq, state: true },
    { shape: [n], data: wscale, state: true },
    bias ? { shape: [n], data: bias, state: true } : null,
    residual ? { shape: [m, n], data: residual } : null,
  ];
}

export interface StepCall {
  kernel: string;
  /** null: an absent optional operand. */
  inputs: (StepOperand | null)[];
  /** inPlaceOf: the output is the tensor of that input. */
  outputs: { shape: number[]; dtype?: DType; inPlaceOf?: number }[];
  attrs?: Record<string, PlanAttribute>;
}

export interface StepOptions {
  isa?: Isa;
  frozen?: boolean;
  /** Threads of the process from now on. */
  threads?: number;
}

export function dtypeOf(data: TypedArray): DType {
  if (data instanceof Float32Array) return 'f32';
  if (data instanceof Int8Array) return 'i8';
  if (data instanceof Uint8Array) return 'u8';
  return data instanceof Uint32Array ? 'u32' : 'i32';
}

export const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** A plan of one step, every arena operand in a place of its own, and the state that it needs. */
export function oneStepPlan(call: StepCall): { spec: PlanSpec; states: StateSpec[]; arenaInputs: TypedArray[] } {
  const tensors: PlanTensor[] = [];
  const states: StateSpec[] = [];
  const arenaInputs: TypedArray[] = [];
  const planInputs: number[] = [];
  let arenaBytes = 0;
  const place = (name: string, dtype: DType, shape: number[]): number => {
    tensors.push({ name, dtype, shape, space: 'arena', offset: arenaBytes });
    arenaBytes += Math.max(64, Math.ceil((elements(shape) * DTYPE_BYTES[dtype]) / 64) * 64);
    return tensors.length - 1;
  };
  const inputs = call.inputs.map((operand, i) => {
    if (operand === null) return -1;
    const dtype = dtypeOf(operand.data);
    if (operand.state) {
      states.push({ name: `state${i}`, dtype, shape: operand.shape });
      tensors.push({ name: `state${i}`, dtype, shape: operand.shape, space: 'state', offset: 0 });
      return tensors.length - 1;
    }
    planInputs.push(place(`input${i}`, dtype, operand.shape));
    arenaInputs.push(operand.data);
    return tensors.length - 1;
  });
  const outputs = call.outputs.map(({ shape, dtype = 'f32', inPlaceOf }, i) =>
    inPlaceOf === undefined ? place(`output${i}`, dtype, shape) : inputs[inPlaceOf],
  );
  const spec: PlanSpec = {
    version: 1,
    arenaBytes,
    tensors,
    steps: [{ kernel: call.kernel, inputs, outputs, attrs: call.attrs ?? {} }],
    inputs: planInputs,
    outputs,
  };
  return { spec, states, arenaInputs };
}

/** Runs one step and returns its outputs. It runs twice: the second run must give the bits of the first. */
export function runStep(call: StepCall, options: StepOptions = {}): TypedArray[] {
  if (options.threads !== undefined) setThreads(options.threads);
  const { spec, states, arenaInputs } = oneStepPlan(call);
  using state = cpu().createState(states);
  call.inputs.forEach((operand, i) => {
    if (operand?.state) state.set(`state${i}`, operand.data);
  });
  using plan = cpu().createPlan(spec, state, { frozen: options.frozen ?? false, isa: options.isa });
  if (options.isa !== undefined && plan.isa !== options.isa) throw new Error(`ran on ${plan.isa}, not ${options.isa}`);
  plan.runSync(arenaInputs);
  const first = call.outputs.map((_, i) => plan.output(i));
  plan.runSync(arenaInputs);
  call.outputs.forEach((_, i) => {
    if (!sameBits(first[i], plan.output(i))) throw new Error(`output ${i} differs between two runs of one plan`);
  });
  return first;
}

/** Whether two arrays hold the same bits; any NaN equals any other. */
export function sameBits(a: TypedArray, b: TypedArray): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
