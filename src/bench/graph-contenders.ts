import { type ExportOnnxOptions, exportOnnx } from '../export/onnx/export-graph.js';
import { compilePlan, constants, type Graph, stateSpecs } from '../graph/index.js';
import { cpu, type Isa, type PlanSpec, setThreads, type TypedArray } from '../native/index.js';
import { OnnxSession } from '../predict/onnx-session.js';
import { type Contender, type Role, type Turn, timed } from './case.js';

/** A graph with one output, and everything that it reads. */
export interface GraphCase {
  graph: Graph;
  inputs: Record<string, TypedArray>;
  state: ReadonlyMap<string, TypedArray>;
  /** Weights are packed once. */
  frozen?: boolean;
}

const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, i8: Int8Array, u8: Uint8Array } as const;
const size = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** The graph as a plan of the native core, with the best instruction set or a given one. */
export function nativeContender(
  graphCase: () => GraphCase,
  options: { role: Role; name: string; tolerance: number; threads: number; isa?: Isa },
): Contender {
  const { role, name, tolerance, threads, isa } = options;
  return { role, name, tolerance, open: () => openNative(graphCase(), threads, isa) };
}

function openNative({ graph, inputs, state, frozen = false }: GraphCase, threads: number, isa: Isa | undefined): Turn {
  setThreads(threads);
  const buffers = cpu().createState([...stateSpecs(graph), ...inputSpecs(graph)]);
  for (const [name, data] of [...constants(graph), ...state, ...Object.entries(inputs)]) buffers.set(name, data);
  const plan = cpu().createPlan(heldInState(compilePlan(graph)), buffers, { frozen, ...(isa && { isa }) });
  const outputs = [...graph.outputs.values()].map((tensor) => new ARRAYS[tensor.dtype](size(tensor.shape)));
  return {
    run: () => timed(() => plan.runSync([])),
    output: () => plan.output(0, outputs[0]),
    close: () => {
      plan.dispose();
      buffers.dispose();
    },
  };
}

const inputSpecs = (graph: Graph) =>
  [...graph.inputs].map(([name, { dtype, shape }]) => ({ name, dtype, shape: [...shape] }));

/** Bytes of a graph's inputs, its results and all between, and what the kernels need besides, on one thread. */
export function bytesOfPlan(graph: Graph): number {
  setThreads(1);
  const buffers = cpu().createState([...stateSpecs(graph), ...inputSpecs(graph)]);
  const plan = cpu().createPlan(heldInState(compilePlan(graph)), buffers);
  const { arenaBytes, workspaceBytes } = plan.memory();
  plan.dispose();
  buffers.dispose();
  return arenaBytes + workspaceBytes;
}

/**
 * The same plan with its inputs as state and its results left in the arena: copies in and out are not the kernel's work. A reshaped
 * input would still be looked for in the arena; the check of the result would show it.
 */
function heldInState(spec: PlanSpec): PlanSpec {
  const tensors = spec.tensors.map((tensor, i) =>
    spec.inputs.includes(i) ? { ...tensor, space: 'state' as const, offset: 0 } : tensor,
  );
  return { ...spec, tensors, inputs: [] };
}

/** The graph as ONNX, run by ONNX Runtime in its worker; the time is that of session.run there. */
export function onnxContender(
  graphCase: () => GraphCase,
  options: { name?: string; tolerance: number; threads: number; rules?: ExportOnnxOptions['rules'] },
): Contender {
  const { name = 'ONNX Runtime', tolerance, threads, rules } = options;
  return {
    role: 'rival',
    name,
    tolerance,
    open: async () => {
      const { graph, inputs, state } = graphCase();
      const model = exportOnnx(graph, {
        name,
        docString: '',
        producerVersion: '0',
        state: new Map([...constants(graph), ...state]),
        ...(rules && { rules }),
      });
      const [[inputName, input]] = graph.inputs;
      const [[, output]] = graph.outputs;
      const elements = size(output.shape);
      const session = await OnnxSession.open(model, { threads });
      let last: Float32Array = new Float32Array(0);
      return {
        run: () => {
          const { output: values, runNs } = session.runSync(inputs[inputName] as Float32Array, input.shape, elements);
          last = values;
          return runNs;
        },
        output: () => last,
        close: () => session.close(),
      };
    },
  };
}

/** A function of JavaScript. */
export function scriptContender(
  options: { role?: Role; name: string; tolerance: number },
  open: () => { call: () => void; output: () => ArrayLike<number> },
): Contender {
  const { role = 'naive', name, tolerance } = options;
  return {
    role,
    name,
    tolerance,
    open: () => {
      const { call, output } = open();
      return { run: () => timed(call), output, close: () => {} };
    },
  };
}
