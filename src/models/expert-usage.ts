import { FlashbookError } from '../core/errors.js';
import { compilePlan, constants, Graph, stateSpecs } from '../graph/index.js';
import { cpu, type Device } from '../native/index.js';
import type { AuxiliaryLoss } from '../nn/index.js';
import type { ForecastModel } from './forecast-model.js';
import type { PricePredictor } from './price-predictor.js';

/**
 * How often each expert of each mixture was chosen over some windows: shares that add up to 1, by the path of the layer.
 *
 * @param parameters weights of the model by name
 * @param windows (n, steps, features), scaled as for training
 * @throws FlashbookError OPTION for a model without experts.
 */
export function expertUsage(
  model: ForecastModel | PricePredictor,
  parameters: ReadonlyMap<string, Float32Array>,
  windows: Float32Array,
  { device = cpu() }: { device?: Device } = {},
): Map<string, Float32Array> {
  const { steps, features } = model.options;
  const graph = new Graph();
  const losses: AuxiliaryLoss[] = [];
  model.forward(graph.input('x', [windows.length / (steps * features), steps, features]), { losses });
  const mixtures = losses.filter(({ usage }) => usage !== undefined);
  if (mixtures.length === 0) throw new FlashbookError('OPTION', 'expertUsage: the model has no mixture of experts');
  for (const { name, usage } of mixtures) graph.output(name, usage!);
  const state = device.createState(stateSpecs(graph));
  const contents = new Map([...constants(graph), ...parameters]);
  for (const { name } of state.specs) state.set(name, contents.get(name)!);
  const plan = device.createPlan(compilePlan(graph), state);
  const shares = mixtures.map(({ usage }) => new Float32Array(usage!.shape[0]));
  plan.runSync([windows], shares);
  plan.dispose();
  state.dispose();
  return new Map(mixtures.map(({ name }, i) => [name.replace(/\.balance$/, ''), shares[i]]));
}
