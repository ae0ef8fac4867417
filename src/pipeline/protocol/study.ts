import { join } from 'node:path';
import { invalid } from '../../core/errors.js';
import { makeFolder, writeFileAtomic } from '../../core/files.js';
import { checkOptions, integer } from '../../core/options.js';
import type { Classifier } from '../../models/index.js';
import {
  type Evaluation,
  predictLogits,
  type TrainOptions,
  type TrainProgress,
  trainEnsemble,
} from '../../train/index.js';
import { shortSource } from '../describe.js';
import { readStage } from '../prepare.js';
import type { ProgressListener } from '../progress.js';
import { PROTOCOL_ARTEFACT, writeProtocolArtefact } from './artefact.js';
import {
  describeTask,
  outputCount,
  type PreparedProtocol,
  type ProtocolScore,
  type ProtocolTask,
  prepareProtocol,
  scored,
} from './prepare.js';
import {
  PROTOCOL_BASELINE,
  PROTOCOL_MEMBERS,
  PROTOCOL_TRAINING,
  type ProtocolModel,
  protocolModel,
  protocolTraining,
} from './recipe.js';

export interface ProtocolResult {
  name: string;
  parameters: number;
  /** Wall time of training. */
  seconds: number;
  /** Sum of the cross-entropies of the labels' classes. */
  validationLoss: number;
  /** One a task. */
  validation: ProtocolScore[];
  /** Of the baseline, the best single model and the ensemble, unless the test part is left alone. */
  test?: ProtocolScore[];
}

/** All models, trained from one seed. */
export interface ProtocolRun {
  seed: number;
  members: ProtocolResult[];
  /** The member with the lowest validation loss, but for the baseline. */
  best: string;
  ensemble: ProtocolResult;
  /** weights[output][member], learned on the validation part: outputs as in the artefact, the classes of all tasks, then their directions. */
  weights: number[][];
}

export interface ProtocolResults {
  version: 3;
  source: string;
  rows: number;
  features: number;
  steps: number;
  tasks: ProtocolTask[];
  /** The member that every other model must beat. */
  baseline: string;
  /** One a seed. */
  runs: ProtocolRun[];
}

export interface ProtocolOptions {
  folder: string;
  /** A market data file; absent: the synthetic session. */
  data?: string;
  format?: string;
  /** Events of the synthetic session. */
  events?: number;
  /** Orders the synthetic session and, without `seeds`, the training. Default 1. */
  seed?: number;
  /** Of initial weights, shuffling and dropout: everything is trained from each of them. */
  seeds?: readonly number[];
  /** Training steps of every model; default those of the recipe. */
  steps?: number;
  /** Score the test part. Default true; without it every choice can be made on the validation part first. */
  test?: boolean;
  signal?: AbortSignal;
  onProgress?: ProgressListener;
  /** The clock of the artefact's card. */
  now?: () => Date;
}

const OPTIONS = [
  ...['folder', 'data', 'format', 'events', 'seed', 'seeds', 'steps', 'test'],
  ...['signal', 'onProgress', 'now'],
];

export const PROTOCOL_FILE = 'protocol.json';

/**
 * Trains a logistic regression, several small models and their ensemble under one protocol, and scores them:
 *
 *   Event time. The first 60 % of the rows train, the next 20 % choose weights and members, the last 20 % test; around each border k rows
 *   are left out for the label of horizon k. Labels A and B (Zhang et al. 2019, eq. 3 and 4) for k = 10, 50, 100, three classes by the tercile of
 *   |r| on the training part. Directional accuracy: the sign of P(up) − P(down) against that of r, over the surest 100, 50, 25 and 10 % of the
 *   test rows; rows with r = 0 have no direction. P is that of the label's direction output, which learns the sign of r alone.
 *
 * All models learn the classes and the directions of the six labels at once, from the extended features of the last PROTOCOL_WINDOW rows and from their mirror images. The ensemble of
 * the first seed becomes an artefact of twelve outputs. Checkpoints lie in the folder: a study that was interrupted goes on with the same command.
 *
 * @throws FlashbookError OPTION where the folder holds a study of other options; ABORTED after the signal
 */
export async function protocolStudy(options: ProtocolOptions): Promise<ProtocolResults> {
  checkOptions('protocolStudy', options, OPTIONS);
  const { folder, data, format = 'auto', events = 40_000, seed = 1, seeds = [seed], test = true } = options;
  const { signal, onProgress, now = () => new Date() } = options;
  if (typeof folder !== 'string' || folder === '') throw invalid('folder', 'a path', folder);
  if (seeds.length === 0 || new Set(seeds).size < seeds.length) throw invalid('seeds', 'different seeds', seeds);
  const steps = integer('steps', options.steps ?? PROTOCOL_TRAINING.steps, 1);
  await makeFolder(folder);
  const session = await readStage({ data, format, seed, events }, { signal, onProgress });
  const prepared = prepareProtocol(session, onProgress);

  const runs: ProtocolRun[] = [];
  for (const each of seeds) {
    const stage = (name: string) => (seeds.length === 1 ? name : `${name}, seed ${each}`);
    const options = { seed: each, steps, test, signal, onProgress, stage, checkpoint: join(folder, `seed-${each}`) };
    const { run, ensemble } = await trainAndScore(prepared, options);
    runs.push(run);
    if (runs.length > 1) continue;
    const described = { source: shortSource(session.source), steps, createdAt: now().toISOString(), test };
    await writeProtocolArtefact(join(folder, PROTOCOL_ARTEFACT), ensemble, run, prepared, described);
  }
  const results: ProtocolResults = {
    version: 3,
    source: shortSource(session.source),
    rows: session.events.length,
    features: prepared.table.columns,
    steps,
    tasks: prepared.tasks.map((task) => describeTask(task, prepared.mid)),
    baseline: PROTOCOL_BASELINE.name,
    runs,
  };
  await writeFileAtomic(join(folder, PROTOCOL_FILE), `${JSON.stringify(results, null, 1)}\n`);
  return results;
}

interface RunContext {
  seed: number;
  steps: number;
  test: boolean;
  checkpoint: string;
  /** What the progress calls the training of a model. */
  stage(name: string): string;
  signal?: AbortSignal;
  onProgress?: ProgressListener;
}

/** Everything from one seed. */
async function trainAndScore(
  prepared: PreparedProtocol,
  { seed, steps, test, checkpoint, stage, signal, onProgress }: RunContext,
): Promise<{ run: ProtocolRun; ensemble: Awaited<ReturnType<typeof trainEnsemble>> }> {
  const { tasks, table } = prepared;
  const shape = { features: table.columns, horizons: outputCount(tasks) };
  const common = (model: ProtocolModel): TrainOptions => ({
    ...protocolTraining(model, steps),
    ...{ train: prepared.train, validation: prepared.validation, seed, resume: true, signal },
    onProgress: trainingProgress(stage(model.name), onProgress),
  });
  const scoresOf = async (model: Classifier, parameters: ReadonlyMap<string, Float32Array>, part: Scored) => {
    const windows = prepared[part];
    const logits = await predictLogits(model, parameters, windows, { batch: 256, signal });
    return tasks.map((task, t) =>
      scored(task, { logits: logits[t], direction: logits[tasks.length + t] }, windows.rows),
    );
  };

  const joined = await trainEnsemble(
    PROTOCOL_MEMBERS.map((member, m) => ({
      name: fileName(member.name),
      model: () => protocolModel(member, shape),
      options: { ...common(member), seed: seed + m },
    })),
    // Those of the baseline, so that losses are plain cross-entropies, without the smoothing of the others' training.
    { ...common(PROTOCOL_BASELINE), checkpoint },
  );
  const linear = PROTOCOL_MEMBERS.indexOf(PROTOCOL_BASELINE);
  const classLoss = ({ horizons }: Evaluation) =>
    horizons.slice(0, tasks.length).reduce((sum, { loss }) => sum + loss, 0);
  const lossOf = (m: number) => (m === linear ? Number.POSITIVE_INFINITY : classLoss(joined.members[m]));
  const best = [...PROTOCOL_MEMBERS.keys()].reduce((b, m) => (lossOf(m) < lossOf(b) ? m : b));
  const members: ProtocolResult[] = [];
  for (const [m, member] of PROTOCOL_MEMBERS.entries()) {
    const model = protocolModel(member, shape);
    const { parameters, seconds } = joined.results[m];
    members.push({
      name: member.name,
      parameters: model.parameterCount(),
      seconds,
      validationLoss: classLoss(joined.members[m]),
      validation: await scoresOf(model, parameters, 'validation'),
      ...(test && (m === best || m === linear) && { test: await scoresOf(model, parameters, 'test') }),
    });
  }
  const ensemble: ProtocolResult = {
    name: 'ensemble',
    parameters: joined.model.parameterCount(),
    seconds: members.reduce((sum, { seconds }) => sum + seconds, 0),
    validationLoss: classLoss(joined.ensemble),
    validation: await scoresOf(joined.model, joined.parameters, 'validation'),
    ...(test && { test: await scoresOf(joined.model, joined.parameters, 'test') }),
  };
  return {
    run: { seed, members, best: PROTOCOL_MEMBERS[best].name, ensemble, weights: joined.weights },
    ensemble: joined,
  };
}

type Scored = 'validation' | 'test';

function fileName(name: string): string {
  return name.replace(/[^a-zA-Z0-9]+/g, '-').toLowerCase();
}

function trainingProgress(name: string, onProgress?: ProgressListener) {
  return ({ phase, fraction, step, total, validationLoss }: TrainProgress) =>
    onProgress?.({
      stage: name,
      done: step,
      total,
      unit: 'steps',
      detail: Number.isNaN(validationLoss) ? '' : `validation ${validationLoss.toFixed(4)}`,
      finished: step === total && phase === 'evaluate' && fraction === 1,
    });
}
