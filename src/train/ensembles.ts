/** Ensembles that are trained: of different models, of the cycles of one run. */
import { FlashbookError } from '../core/errors.js';
import { integer } from '../core/options.js';
import { type Classifier, Ensemble, ensembleParameters, equalWeights } from '../models/index.js';
import type { Schedule } from '../optim/index.js';
import { snapshotCycles, triangular } from '../optim/index.js';
import { mixtureWeights } from './ensemble-weights.js';
import { type Evaluation, evaluate } from './evaluate.js';
import type { TrainOptions } from './options.js';
import { predictLogits } from './predict-logits.js';
import { type TrainResult, train } from './trainer.js';
import type { Windows } from './windows.js';

export interface TrainedEnsemble {
  /** One model, with one graph: export and predict it as any other. */
  model: Ensemble;
  /** All parameters, under `members.<m>.`. */
  parameters: Map<string, Float32Array>;
  /** One list a horizon, one weight a member. */
  weights: number[][];
  /** Loss and accuracy on the validation windows: of the members, and of the ensemble. */
  members: Evaluation[];
  ensemble: Evaluation;
}

export interface EnsembleMember {
  /** For messages, and the end of its checkpoint's name. */
  name: string;
  /** Makes the model; called twice, for training and for the ensemble. */
  model(): Classifier;
  /** Options of this member over the common ones. */
  options?: Partial<TrainOptions>;
}

/**
 * Trains every member by itself, then learns how much each counts, a horizon at a time, on the validation windows (`mixtureWeights`).
 * With `checkpoint` each member has a file, `<checkpoint>.<name>`, and a run that is resumed takes finished members from theirs.
 */
export async function trainEnsemble(
  members: readonly EnsembleMember[],
  common: TrainOptions,
): Promise<TrainedEnsemble & { results: TrainResult[] }> {
  if (members.length === 0) throw new FlashbookError('OPTION', 'expected at least one member', { name: 'members' });
  const results: TrainResult[] = [];
  for (const { name, model, options } of members) {
    const file = common.checkpoint === undefined ? {} : { checkpoint: `${common.checkpoint}.${name}` };
    results.push(await train(model(), { ...common, ...options, ...file }));
  }
  const parts = members.map(({ model }, m) => ({ model, parameters: results[m].parameters }));
  return { ...(await joined(parts, common, 'learned')), results };
}

/** How members of cycles count: the same, as in the papers, or as learned on the validation windows. */
export type EnsembleWeighting = 'equal' | 'learned';

export interface SnapshotOptions extends TrainOptions {
  steps: number;
  /** The highest rate, at the beginning of every cycle. */
  learningRate: number;
  /** M: cycles, and so members. */
  cycles: number;
  weighting?: EnsembleWeighting;
}

/**
 * A snapshot ensemble: one run under a cyclic learning rate, whose weights at the end of each cycle are the members. Source: Huang et
 * al. 2017, "Snapshot Ensembles: Train 1, Get M for Free".
 */
export async function trainSnapshots(
  model: () => Classifier,
  { cycles, weighting = 'equal', ...options }: SnapshotOptions,
): Promise<TrainedEnsemble> {
  const { steps: totalSteps, learningRate } = options;
  const length = Math.ceil(integer('steps', totalSteps, 1) / integer('cycles', cycles, 1, totalSteps));
  const schedule = snapshotCycles({ learningRate, totalSteps, cycles });
  return collected(model, options, {
    schedule,
    weighting,
    takes: (step) => step % length === 0 || step === totalSteps,
  });
}

export interface GeometricOptions extends TrainOptions {
  steps: number;
  /** α₁ and α₂: the rate at the ends of a cycle and in its middle. */
  learningRate: number;
  minLearningRate: number;
  /** c: steps of a cycle, even. */
  cycle: number;
  /** Weights of a run that is nearly finished; from there the cycles begin. */
  initial: ReadonlyMap<string, Float32Array>;
  weighting?: EnsembleWeighting;
}

/**
 * A fast geometric ensemble: from trained weights on, short triangular cycles of the learning rate; the weights where the rate is lowest
 * are the members. Source: Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", §4.
 */
export async function trainGeometric(
  model: () => Classifier,
  { cycle, weighting = 'equal', ...options }: GeometricOptions,
): Promise<TrainedEnsemble> {
  const { learningRate, minLearningRate, steps } = options;
  const schedule = triangular({ learningRate, minLearningRate, cycle });
  integer('steps', steps, cycle / 2);
  return collected(model, options, { schedule, weighting, takes: (step) => step % cycle === cycle / 2 });
}

/** Trains under a schedule and joins the weights of the steps that are taken. */
async function collected(
  model: () => Classifier,
  options: TrainOptions,
  { schedule, takes, weighting }: { schedule: Schedule; takes(step: number): boolean; weighting: EnsembleWeighting },
): Promise<TrainedEnsemble> {
  if (options.checkpoint !== undefined) {
    // Members live in memory until the end; a run that goes on would lack those of its first part.
    throw new FlashbookError('OPTION', "expected no 'checkpoint': an ensemble of cycles is made in one go", {
      name: 'checkpoint',
    });
  }
  const snapshots: Map<string, Float32Array>[] = [];
  const take = {
    onStep: ({ step }: { step: number }, weights: () => Map<string, Float32Array>) => {
      if (takes(step)) snapshots.push(weights());
    },
  };
  const { learningRate: _, minLearningRate: __, warmupSteps: ___, ...others } = options;
  await train(model(), { ...others, schedule, callbacks: [...(options.callbacks ?? []), take] });
  return joined(
    snapshots.map((parameters) => ({ model, parameters })),
    options,
    weighting,
  );
}

interface Part {
  model(): Classifier;
  parameters: ReadonlyMap<string, Float32Array>;
}

/** The ensemble of trained parts. */
async function joined(
  parts: readonly Part[],
  options: TrainOptions,
  weighting: EnsembleWeighting,
): Promise<TrainedEnsemble> {
  const { validation, device, batch, labelSmoothing = 0.1, horizonWeights } = options;
  const measure = { device, batch, labelSmoothing, horizonWeights };
  const members: Evaluation[] = [];
  for (const { model, parameters } of parts) members.push(await evaluate(model(), parameters, validation, measure));
  const { horizons } = validation;
  const weights =
    weighting === 'equal' ? equalWeights(horizons, parts.length) : await learned(parts, validation, { device, batch });
  const model = new Ensemble(
    parts.map((part) => part.model()),
    weights,
  );
  const parameters = ensembleParameters(parts.map((part) => part.parameters));
  return { model, parameters, weights, members, ensemble: await evaluate(model, parameters, validation, measure) };
}

async function learned(
  parts: readonly Part[],
  windows: Windows,
  options: Pick<TrainOptions, 'device' | 'batch'>,
): Promise<number[][]> {
  const logits: Float32Array[][] = [];
  for (const { model, parameters } of parts) logits.push(await predictLogits(model(), parameters, windows, options));
  return Array.from({ length: windows.horizons }, (_, h) => {
    const labels = windows.labels(h);
    return mixtureWeights(logits.map((heads) => probabilitiesOf(heads[h], labels)));
  });
}

/** The probability of the class that came true, for rows that have one. */
function probabilitiesOf(logits: Float32Array, labels: Int32Array): Float64Array {
  const classes = logits.length / labels.length;
  const rows = [...labels.keys()].filter((row) => labels[row] >= 0);
  return Float64Array.from(rows, (row) => {
    const z = logits.subarray(row * classes, (row + 1) * classes);
    const top = Math.max(...z);
    const sum = z.reduce((total, value) => total + Math.exp(value - top), 0);
    return Math.exp(z[labels[row]] - top) / sum;
  });
}
