import { checkOptions, integer, oneOf } from '../core/options.js';
import { type Precision, stateSpecs } from '../graph/index.js';
import { type Device, type DeviceName, resolveDevice } from '../native/index.js';
import type { TrainableModel } from './model.js';
import { evaluationGraph } from './plans.js';
import { fillConstants, fillParameters } from './weights.js';
import type { Windows } from './windows.js';

/** A model's logits on windows: one array (windows, classes) a horizon. In bf16 as evaluations of a training in bf16. */
export async function predictLogits(
  model: TrainableModel,
  parameters: ReadonlyMap<string, Float32Array>,
  windows: Windows,
  options: { batch?: number; precision?: Precision; device?: Device | DeviceName } = {},
): Promise<Float32Array[]> {
  checkOptions('predictLogits', options, ['batch', 'precision', 'device']);
  const device = resolveDevice(options.device);
  const batch = Math.min(integer('batch', options.batch ?? 64, 1), windows.length);
  const precision = oneOf<Precision>('precision', options.precision ?? 'f32', ['f32', 'bf16']);
  const { steps, columns } = windows;
  const { graph, classes, compile } = evaluationGraph(model, { batch, steps, columns }, { precision });
  const state = device.createState(stateSpecs(graph));
  try {
    fillConstants(state, [graph]);
    fillParameters(state, model.parameters(), parameters);
    const plan = device.createPlan(compile(), state);
    try {
      const x = new Float32Array(batch * steps * columns);
      // Data sets write the targets too; nobody looks at them here.
      const targets = classes.map(() => new Int32Array(batch));
      const results = classes.map((count) => new Float32Array(windows.length * count));
      const logits = classes.map((count) => new Float32Array(batch * count));
      for (let first = 0; first < windows.length; first += batch) {
        const rows = Math.min(batch, windows.length - first);
        windows.batch(
          Int32Array.from({ length: rows }, (_, i) => first + i),
          x,
          targets,
        );
        await plan.run([x], logits);
        for (const [h, count] of classes.entries()) results[h].set(logits[h].subarray(0, rows * count), first * count);
      }
      return results;
    } finally {
      plan.dispose();
    }
  } finally {
    state.dispose();
  }
}
