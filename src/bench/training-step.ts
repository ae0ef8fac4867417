import { constants, type Precision, stateSpecs } from '../graph/index.js';
import { type ForecastModel, PricePredictor } from '../models/index.js';
import { cpu, type Isa, type Plan, setThreads } from '../native/index.js';
import { initialise } from '../nn/index.js';
import { adamW } from '../optim/index.js';
import { gradientGraph, StepCall, type StepResult } from '../train/index.js';
import { normals } from './random-values.js';

export interface TrainingStepOptions {
  batch: number;
  /** Of the price predictor, where no model is given. */
  steps?: number;
  features?: number;
  dropout?: number;
  attentionDropout?: number;
  /** Three horizons of three classes. */
  model?: PricePredictor | ForecastModel;
  threads: number;
  precision?: Precision;
  /** All rows of the last layer, not only the one that is read. */
  wholeLastLayer?: boolean;
  isa?: Isa;
}

/** The gradients of one batch of noise and AdamW's update of a model, again and again. */
export interface TrainingStep {
  run(): Promise<void>;
  /** The loss of the last batch, before its update. */
  loss(): number;
  gradientNorm(): number;
  readonly plans: readonly Plan[];
  dispose(): void;
}

export function trainingStep(options: TrainingStepOptions): TrainingStep {
  const {
    batch,
    model = new PricePredictor({
      features: options.features ?? 80,
      steps: options.steps ?? 100,
      dropout: options.dropout ?? 0,
      attentionDropout: options.attentionDropout ?? 0,
    }),
    threads,
    isa,
    precision,
    wholeLastLayer,
  } = options;
  setThreads(threads);
  const { steps, features } = model.options;
  const gradients = gradientGraph(
    model,
    { batch, steps, columns: features },
    { labelSmoothing: 0.1, horizonWeights: [1, 1, 1], precision, wholeLastLayer },
  );
  const optimizer = adamW();
  const parameters = model.parameters();
  const device = cpu();
  const state = device.createState([...stateSpecs(gradients.graph), ...optimizer.states(parameters)]);
  for (const [name, data] of [...constants(gradients.graph), ...initialise(model, 1)]) state.set(name, data);
  const plan = device.createPlan(gradients.compile(), state, isa === undefined ? {} : { isa });
  const update = optimizer.bind(device, state, parameters);

  const x = normals(batch * steps * features, 2);
  const targets = [0, 1, 2].map((h) => Int32Array.from({ length: batch }, (_, i) => (i + h) % 3));
  const rng = Uint32Array.of(1, 0, 1, 0);
  const call = new StepCall(device, { gradients: [plan, plan], optimizer: update }, { batch, classes: [3, 3, 3] });
  let last: StepResult = { losses: [Number.NaN], gradientNorm: Number.NaN };
  let step = 0;
  return {
    run: async () => {
      step++;
      last = await call.run({ step, learningRate: 1e-4, batches: [[x, ...targets, rng]] });
    },
    loss: () => last.losses[0],
    gradientNorm: () => last.gradientNorm,
    plans: [plan, ...update.plans],
    dispose: () => {
      plan.dispose();
      update.dispose();
      state.dispose();
    },
  };
}
