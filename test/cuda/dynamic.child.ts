/** Runs one kernel once on CUDA and tells its useful work; what it cost is in the simulator's report. */
import { Random } from '../../src/core/random.js';
import {
  cuda,
  DTYPE_BYTES,
  type DType,
  type PlanAttribute,
  type PlanSpec,
  type TypedArray,
} from '../../src/native/index.js';
import { answer, argument } from './child.js';

export interface Launch {
  kernel: string;
  /** Shapes of the operands; f32 unless a dtype stands before: 'i32:64'. */
  inputs: string[];
  /** The same; '=0' is the tensor of input 0. */
  outputs: string[];
  attrs?: Record<string, PlanAttribute>;
}

export interface Work {
  flops: number;
  bytes: number;
}

const { kernel, inputs, outputs, attrs = {} } = argument<Launch>();
const random = new Random(1);
const tensors: PlanSpec['tensors'] = [];
let arenaBytes = 0;

function place(text: string, name: string): number {
  if (text.startsWith('=')) return Number(text.slice(1));
  const [dtype, sizes] = text.includes(':') ? (text.split(':') as [DType, string]) : (['f32', text] as const);
  const shape = sizes.split('x').map(Number);
  tensors.push({ name, dtype, shape, space: 'arena', offset: arenaBytes });
  arenaBytes += Math.ceil((shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[dtype]) / 64) * 64;
  return tensors.length - 1;
}

const ins = inputs.map((text, i) => place(text, `input${i}`));
const outs = outputs.map((text, i) => place(text, `output${i}`));
const spec: PlanSpec = {
  version: 1,
  arenaBytes,
  tensors,
  steps: [{ kernel, inputs: ins, outputs: outs, attrs }],
  inputs: ins,
  outputs: outs,
};
const arrays = ins.map((t): TypedArray => {
  const { dtype, shape } = tensors[t];
  const length = shape.reduce((a, b) => a * b, 1);
  const draw = (): number =>
    dtype === 'f32'
      ? Math.abs(random.normal())
      : dtype === 'i8'
        ? random.below(255) - 127
        : dtype === 'u8'
          ? random.below(256)
          : random.below(3);
  return new { f32: Float32Array, i32: Int32Array, u32: Uint32Array, i8: Int8Array, u8: Uint8Array }[dtype](
    Array.from({ length }, draw),
  );
});
using state = cuda().createState([]);
using plan = cuda().createPlan(spec, state);
plan.runSync(arrays);
const { flops, bytes } = plan.profile()[0];
answer({ flops, bytes } satisfies Work);
