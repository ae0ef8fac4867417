/**
 * Binds every kernel of the case table with one fault at a time, on the processor and on CUDA: both must refuse with the same words,
 * or both must take it.
 */
import { compilePlan } from '../../src/graph/index.js';
import { cpu, cuda, cudaSteps, type Device, type PlanSpec } from '../../src/native/index.js';
import { CASES, caseGraph } from '../graph/cases.js';
import { answer } from './child.js';

export interface OperandsAnswer {
  bound: number;
  refused: number;
  /** What the one says and the other does not. */
  disagreements: string[];
  /** What is said of a plan with a kernel that CUDA does not have. */
  absent: string;
}

const onCpu = cpu();
const onCuda = cuda();
const steps = new Set(cudaSteps());
const result: OperandsAnswer = { bound: 0, refused: 0, disagreements: [], absent: '' };
const seen = new Map<string, number>();

function bind(device: Device, spec: PlanSpec): string {
  using state = device.createState([]);
  try {
    using _ = device.createPlan(spec, state);
    return 'bound';
  } catch (error) {
    return (error as Error).message;
  }
}

/** One step of a plan by itself, every operand in a place of its own. */
function alone(spec: PlanSpec, index: number): PlanSpec {
  const step = spec.steps[index];
  const used = [...new Set([...step.inputs, ...step.outputs])].filter((t) => t >= 0);
  let arenaBytes = 0;
  const tensors = used.map((t) => {
    const tensor = {
      ...spec.tensors[t],
      shape: [...spec.tensors[t].shape],
      space: 'arena' as const,
      offset: arenaBytes,
    };
    const bytes = tensor.shape.reduce((a, b) => a * b, 4) + 4096; // room for a dimension more
    arenaBytes += Math.ceil(bytes / 64) * 64;
    return tensor;
  });
  const renamed = (t: number) => (t < 0 ? t : used.indexOf(t));
  const inputs = step.inputs.map(renamed);
  const outputs = step.outputs.map(renamed);
  return {
    version: 1,
    arenaBytes: arenaBytes + (1 << 20),
    tensors,
    steps: [{ ...step, attrs: { ...step.attrs }, inputs, outputs }],
    inputs: [],
    outputs,
  };
}

function* faulty(whole: PlanSpec): Generator<[string, PlanSpec]> {
  const fresh = () => structuredClone(whole);
  yield ['as it is', fresh()];
  for (const side of ['inputs', 'outputs'] as const) {
    const fewer = fresh();
    fewer.steps[0][side].pop();
    yield [`one of the ${side} less`, fewer];
    const more = fresh();
    more.steps[0][side].push(0);
    yield [`one of the ${side} more`, more];
  }
  for (let t = 0; t < whole.tensors.length; t++) {
    for (let d = 0; d < whole.tensors[t].shape.length; d++) {
      const longer = fresh();
      longer.tensors[t].shape[d]++;
      yield [`tensor ${t} dimension ${d} one longer`, longer];
    }
    const flat = fresh();
    flat.tensors[t].shape.push(1);
    yield [`tensor ${t} one dimension more`, flat];
    const other = fresh();
    other.tensors[t].dtype = other.tensors[t].dtype === 'f32' ? 'i32' : 'f32';
    yield [`tensor ${t} of another dtype`, other];
  }
  for (const name of Object.keys(whole.steps[0].attrs)) {
    for (const value of [-7, 0.5, Number.NaN, 1e300, 'nonsense', true]) {
      const changed = fresh();
      changed.steps[0].attrs[name] = value;
      yield [`${name} = ${value}`, changed];
    }
    const without = fresh();
    delete without.steps[0].attrs[name];
    yield [`no ${name}`, without];
  }
}

for (const row of CASES.filter(({ cpuOnly }) => !cpuOnly)) {
  const spec = compilePlan(caseGraph(row).graph, { passes: [] });
  for (let i = 0; i < spec.steps.length; i++) {
    const { kernel } = spec.steps[i];
    if (kernel === 'conv2d') result.absent = bind(onCuda, alone(spec, i));
    const times = seen.get(kernel) ?? 0;
    if (!steps.has(kernel) || times >= 4) continue;
    seen.set(kernel, times + 1);
    for (const [fault, changed] of faulty(alone(spec, i))) {
      const [here, there] = [bind(onCpu, changed), bind(onCuda, changed)];
      if (here === there) result[here === 'bound' ? 'bound' : 'refused']++;
      else result.disagreements.push(`${kernel}, ${fault}: the processor: ${here}; CUDA: ${there}`);
    }
  }
}
answer(result);
