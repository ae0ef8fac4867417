/** Ensembles that are trained: of different models, of the cycles of one run. */
import { join } from 'node:path';
import { FlashbookError, invalid } from '../core/errors.js';
import { integer } from '../core/options.js';
import { type Classifier, Ensemble, ensembleParameters, equalWeights, memberParameters } from '../models/index.js';
import type { Schedule } from '../optim/index.js';
import { snapshotCycles, triangular } from '../optim/index.js';
import type { TrainCallback, WeightsNow } from './callbacks.js';
import { mixtureWeights } from './ensemble-weights.js';
import { type Evaluation, evaluate, evaluateLogits } from './evaluate.js';
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
  /** For messages, and the end of the names of its files. */
  name: string;
  /** Makes the model; called twice, for training and for the ensemble. */
  model(): Classifier;
  /** Options of this member over the common ones. */
  options?: Partial<TrainOptions>;
}

/** How members count: the same, or as learned on the validation windows (`mixtureWeights`), a horizon at a time. */
export const ENSEMBLE_WEIGHTINGS = ['equal', 'learned'] as const;
export type EnsembleWeighting = (typeof ENSEMBLE_WEIGHTINGS)[number];

/** How trained members become one model. */
export interface JoinOptions {
  /** Default 'learned' for different models, 'equal' (as in the papers) for members out of one run. */
  weighting?: EnsembleWeighting;
  /** Told how much of the measuring on the validation windows is done that follows training. */
  onJoin?: (fraction: number) => void;
}

export interface EnsembleOptions extends TrainOptions, JoinOptions {
  /** Told when a member is trained, by its place. */
  onMember?: (member: number, result: TrainResult) => void;
}

/**
 * Trains every member by itself and joins them. Each has files of its own: with `checkpoint` `<checkpoint>.<name>`, with `log`
 * `<log>.<name>`, with `tensorboard` the folder of its name in that one. A run that is resumed takes finished members from their
 * checkpoints and goes on with the one that was interrupted.
 *
 * @throws FlashbookError OPTION for no members or two of one name, and as `train`
 */
export async function trainEnsemble(
  members: readonly EnsembleMember[],
  { weighting = 'learned', onJoin, onMember, ...common }: EnsembleOptions,
): Promise<TrainedEnsemble & { results: TrainResult[] }> {
  if (members.length === 0) throw new FlashbookError('OPTION', 'expected at least one member', { name: 'members' });
  const names = members.map(({ name }) => name);
  if (new Set(names).size < names.length) throw invalid('members', 'different names', names.join(', '));
  const results: TrainResult[] = [];
  for (const [m, { name, model, options }] of members.entries()) {
    const { checkpoint, log, tensorboard } = common;
    const files = {
      ...(checkpoint !== undefined && { checkpoint: `${checkpoint}.${name}` }),
      ...(log !== undefined && { log: `${log}.${name}` }),
      ...(tensorboard !== undefined && { tensorboard: join(tensorboard, name) }),
    };
    results.push(await train(model(), { ...common, ...options, ...files }));
    onMember?.(m, results[m]);
  }
  const parts = members.map(({ model }, m) => ({ model, parameters: results[m].parameters }));
  return { ...(await joined(parts, common, { weighting, onJoin })), results };
}

/** Of an ensemble out of one run. */
export interface CycleOptions extends TrainOptions, JoinOptions {
  steps: number;
  /** Told when the run is over, before its members are joined. */
  onTrained?: (result: TrainResult) => void;
}

/** An ensemble out of one run. */
export interface CycleEnsemble extends TrainedEnsemble {
  /** The step after which each member was taken. */
  steps: number[];
  result: TrainResult;
}

export interface SnapshotOptions extends CycleOptions {
  /** The highest rate, at the beginning of every cycle. */
  learningRate: number;
  /** M: cycles, and so members. */
  cycles: number;
}

/**
 * A snapshot ensemble: one run under a cyclic learning rate, whose weights at the end of each cycle are the members. The members so far lie
 * in the run's checkpoint, so that it is resumed to the same bits. Source: Huang et al. 2017, "Snapshot Ensembles: Train 1, Get M for Free".
 */
export async function trainSnapshots(
  model: () => Classifier,
  { cycles, ...options }: SnapshotOptions,
): Promise<CycleEnsemble> {
  const { steps: totalSteps, learningRate } = options;
  const length = Math.ceil(integer('steps', totalSteps, 1) / integer('cycles', cycles, 1, totalSteps));
  const schedule = snapshotCycles({ learningRate, totalSteps, cycles });
  const takes = (step: number) => step % length === 0 || step === totalSteps;
  return collected(model, options, { schedule, takes });
}

export interface GeometricOptions extends CycleOptions {
  /** α₁ and α₂: the rate at the ends of a cycle and in its middle. */
  learningRate: number;
  minLearningRate: number;
  /** c: steps of a cycle, even. */
  cycle: number;
  /** Weights of a run that is nearly finished; from there the cycles begin. */
  initial: ReadonlyMap<string, Float32Array>;
}

/**
 * A fast geometric ensemble: from trained weights on, short triangular cycles of the learning rate; the weights where the rate is lowest
 * are the members. It is resumed as `trainSnapshots` is. Source: Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast
 * Ensembling of DNNs", §4.
 */
export async function trainGeometric(
  model: () => Classifier,
  { cycle, ...options }: GeometricOptions,
): Promise<CycleEnsemble> {
  const { learningRate, minLearningRate, steps } = options;
  const schedule = triangular({ learningRate, minLearningRate, cycle });
  integer('steps', steps, cycle / 2);
  const takes = (step: number) => step % cycle === cycle / 2;
  return collected(model, options, { schedule, takes });
}

/** Trains under a schedule and joins the weights of the steps that are taken. */
async function collected(
  model: () => Classifier,
  { weighting = 'equal', onJoin, onTrained, ...options }: CycleOptions,
  { schedule, takes }: { schedule: Schedule; takes(step: number): boolean },
): Promise<CycleEnsemble> {
  const collector = new Collector(takes);
  const { learningRate: _, minLearningRate: __, warmupSteps: ___, ...others } = options;
  // First, so that its place in the checkpoint does not depend on what else is told of the run.
  const callbacks = [collector, ...(options.callbacks ?? [])];
  const result = await train(model(), { ...others, schedule, callbacks });
  const steps = Array.from({ length: result.steps }, (_, i) => i + 1).filter(takes);
  if (collector.members.length !== steps.length) {
    throw new FlashbookError(
      'FORMAT',
      `expected the members of steps ${steps.join(', ')} in the checkpoint ${options.checkpoint} but found ${collector.members.length}; train without resuming`,
      { file: options.checkpoint },
    );
  }
  if (steps.length === 0) {
    const ended = result.reason === 'steps' ? 'give more steps' : `the run ended by ${result.reason}`;
    throw new FlashbookError('OPTION', `expected a cycle that is whole within ${result.steps} steps; ${ended}`, {
      name: 'steps',
    });
  }
  onTrained?.(result);
  const parts = collector.members.map((parameters) => ({ model, parameters }));
  return { ...(await joined(parts, options, { weighting, onJoin })), steps, result };
}

/** Keeps the weights after the steps that are taken; over an interruption they lie in the run's checkpoint. */
class Collector implements TrainCallback {
  readonly members: Map<string, Float32Array>[] = [];

  constructor(readonly takes: (step: number) => boolean) {}

  onStep({ step }: { step: number }, weights: WeightsNow): void {
    if (this.takes(step)) this.members.push(weights());
  }

  snapshot(): Map<string, Float32Array> {
    return ensembleParameters(this.members);
  }

  restore(saved: ReadonlyMap<string, Float32Array>): void {
    this.members.length = 0;
    this.members.push(...memberParameters(saved));
  }
}

interface Part {
  model(): Classifier;
  parameters: ReadonlyMap<string, Float32Array>;
}

/** The ensemble of trained parts. */
async function joined(
  parts: readonly Part[],
  options: TrainOptions,
  { weighting, onJoin }: JoinOptions,
): Promise<TrainedEnsemble> {
  const { validation, device, batch, labelSmoothing = 0.1, horizonWeights, signal } = options;
  const run = (pass: number) => ({
    ...{ device, batch, signal },
    onProgress: (fraction: number) => onJoin?.((pass + fraction) / (parts.length + 1)),
  });
  const measure = { labelSmoothing, horizonWeights };
  const logits: Float32Array[][] = [];
  for (const [m, part] of parts.entries()) {
    logits.push(await predictLogits(part.model(), part.parameters, validation, run(m)));
  }
  const weights =
    weighting === 'equal' ? equalWeights(validation.horizons, parts.length) : learnedWeights(logits, validation);
  const model = new Ensemble(
    parts.map((part) => part.model()),
    weights,
  );
  const parameters = ensembleParameters(parts.map((part) => part.parameters));
  return {
    ...{ model, parameters, weights },
    members: logits.map((own) => evaluateLogits(own, validation, measure)),
    ensemble: await evaluate(model, parameters, validation, { ...measure, ...run(parts.length) }),
  };
}

function learnedWeights(logits: readonly Float32Array[][], windows: Windows): number[][] {
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
