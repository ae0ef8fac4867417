import { join } from 'node:path';
import { type Classifier, memberParameters, modelPreset } from '../models/index.js';
import type { EnsembleMetrics, MemberMetrics, MemberScore, TrainingMetrics } from '../monitor/run-metrics.js';
import {
  type Evaluation,
  predictLogits,
  type TrainedEnsemble,
  type TrainOptions,
  train,
  trainEnsemble,
  trainGeometric,
  trainSnapshots,
} from '../train/index.js';
import type { RunConfig } from './config.js';
import { memberConfigs, memberNames } from './members.js';
import { type PreparedData, scaledWindows, trainingWindows } from './prepare.js';
import type { ProgressListener } from './progress.js';
import { RUN_FILES, type RunFolder } from './run-folder.js';
import { modelDescription, runModel } from './run-model.js';
import { scoreHorizon } from './score.js';
import {
  type TrainedModel,
  type TrainStageOptions,
  trainingMetrics,
  trainOptionsOf,
  trainProgress,
} from './train-stage.js';

/** What is known of an ensemble's members before the test part is looked at. */
export interface TrainedMembers extends Omit<EnsembleMetrics, 'members'> {
  members: Omit<MemberMetrics, 'scores'>[];
  /** Make the members' models. */
  build: (() => Classifier)[];
}

/**
 * Trains the ensemble that the configuration asks for. Checkpoints lie in the folder, one for each model or stage; a run that goes on takes
 * what is finished from them.
 */
export async function ensembleStage(
  data: PreparedData,
  config: RunConfig,
  folder: RunFolder,
  options: TrainStageOptions,
): Promise<TrainedModel> {
  const scaled = data.scaler.transform(data.table.values);
  const { start, end } = data.split.validation;
  // Weights are learned, and members compared, on as many windows as one evaluation looks at.
  const stride = Math.ceil((end - start) / config.validationWindows);
  const common: TrainOptions = {
    train: trainingWindows(data, scaled, config),
    validation: scaledWindows(data, scaled, 'validation', config.window, stride),
    ...trainOptionsOf(config),
    checkpoint: folder.file(RUN_FILES.checkpoint),
    log: folder.file(RUN_FILES.log),
    ...{ tensorboard: options.tensorboard, resume: options.resume, signal: options.signal },
  };
  const context = { data, config, common, onProgress: options.onProgress };
  if (config.ensemble === 'snapshots') return snapshots(context);
  if (config.ensemble === 'geometric') return geometric(context);
  return models(context);
}

interface StageContext {
  data: PreparedData;
  config: RunConfig;
  common: TrainOptions;
  onProgress?: ProgressListener;
}

async function models({ data, config, common, onProgress }: StageContext): Promise<TrainedModel> {
  const configs = memberConfigs(config);
  const names = memberNames(configs);
  const build = configs.map((own) => () => runModel(own, data.table.columns));
  const progress = names.map((name) => trainProgress(name, onProgress));
  const joined = await trainEnsemble(
    configs.map((own, m) => ({
      name: names[m],
      model: build[m],
      options: { ...trainOptionsOf(own), onProgress: progress[m].update },
    })),
    {
      ...common,
      weighting: config.weighting,
      onJoin: joining(onProgress),
      onMember: (m, result) => progress[m].finish(result),
    },
  );
  const runs = joined.results.map((result, m) => trainingMetrics(result, configs[m]));
  const sum = (of: (run: TrainingMetrics) => number) => runs.reduce((total, run) => total + of(run), 0);
  return trained(joined, {
    ...{ kind: 'models', weighting: config.weighting ?? 'learned', build },
    title: `ensemble of ${names.join(', ')}`,
    members: names.map((name, m) => ({ name, step: joined.results[m].bestStep, training: runs[m] })),
    training: {
      steps: sum(({ steps }) => steps),
      batch: config.batch,
      seconds: sum(({ seconds }) => seconds),
      examples: sum(({ examples }) => examples),
      stoppedEarly: runs.some(({ stoppedEarly }) => stoppedEarly),
      history: [],
    },
  });
}

async function snapshots({ data, config, common, onProgress }: StageContext): Promise<TrainedModel> {
  const build = () => runModel(config, data.table.columns);
  const progress = trainProgress('train', onProgress);
  const { steps, learningRate, cycles, weighting } = config;
  const joined = await trainSnapshots(build, {
    ...common,
    // A validation loss that rises where a cycle begins is no reason to stop.
    ...{ steps, learningRate, cycles, weighting, patience: undefined },
    onProgress: progress.update,
    onTrained: (result) => progress.finish(result, 'lowest at'),
    onJoin: joining(onProgress),
  });
  return trained(joined, {
    ...{ kind: 'snapshots', weighting: weighting ?? 'equal', build: joined.steps.map(() => build) },
    title: `snapshot ensemble of the ${modelPreset(config.model).title}`,
    members: joined.steps.map((step, m) => ({ name: `snapshot ${m + 1}`, step })),
    training: { ...trainingMetrics(joined.result, config), bestStep: undefined },
  });
}

/** A run of most of the steps, then the cycles, with checkpoints and logs of their own. */
async function geometric({ data, config, common, onProgress }: StageContext): Promise<TrainedModel> {
  const build = () => runModel(config, data.table.columns);
  const { steps, cycles, cycleShare, learningRate, weighting } = config;
  const before = Math.max(1, Math.round((1 - cycleShare) * steps));
  const own = (name: string) => ({
    checkpoint: `${common.checkpoint}.${name}`,
    log: `${common.log}.${name}`,
    ...(common.tensorboard !== undefined && { tensorboard: join(common.tensorboard, name) }),
  });
  const beginning = trainProgress('train', onProgress);
  const initial = await train(build(), { ...common, ...own('initial'), steps: before, onProgress: beginning.update });
  beginning.finish(initial);
  // The last cycle ends with its member, half-way.
  const cycle = 2 * Math.max(1, Math.floor((steps - before) / (2 * cycles - 1)));
  const highest = config.cycleLearningRate ?? learningRate / 2;
  const progress = trainProgress('cycles', onProgress);
  const joined = await trainGeometric(build, {
    ...common,
    ...own('cycles'),
    ...{ steps: cycle * cycles - cycle / 2, cycle, initial: initial.parameters, weighting },
    ...{ learningRate: highest, minLearningRate: config.cycleMinLearningRate ?? highest / 10 },
    ...{ patience: undefined, curriculum: undefined },
    onProgress: progress.update,
    onTrained: (result) => progress.finish(result, 'lowest at'),
    onJoin: joining(onProgress),
  });
  const [one, two] = [initial, joined.result].map((result) => trainingMetrics(result, config));
  return trained(joined, {
    ...{ kind: 'geometric', weighting: weighting ?? 'equal', build: joined.steps.map(() => build) },
    title: `fast geometric ensemble of the ${modelPreset(config.model).title}`,
    members: joined.steps.map((step, m) => ({ name: `cycle ${m + 1}`, step: one.steps + step })),
    training: {
      ...one,
      bestStep: undefined,
      steps: one.steps + two.steps,
      seconds: one.seconds + two.seconds,
      examples: one.examples + two.examples,
      history: [...one.history, ...two.history.map((point) => ({ ...point, step: one.steps + point.step }))],
    },
  });
}

function joining(onProgress?: ProgressListener) {
  return (fraction: number) =>
    onProgress?.({
      ...{ stage: 'join', done: Math.round(100 * fraction), total: 100, unit: '%' },
      detail: 'members and ensemble on the validation part',
      finished: fraction === 1,
    });
}

/** A joined ensemble for export, scores and report. */
function trained(
  { model, parameters, weights, members: measured, ensemble }: TrainedEnsemble,
  {
    title,
    training,
    members,
    ...own
  }: Pick<TrainedMembers, 'kind' | 'weighting' | 'build'> & {
    title: string;
    training: TrainingMetrics;
    members: Pick<MemberMetrics, 'name' | 'step' | 'training'>[];
  },
): TrainedModel {
  const validation = validationOf(ensemble);
  return {
    ...{ model, parameters, title, training, validation },
    description: `${members.length} members, ${own.weighting} weights`,
    parameterCount: model.parameterCount(),
    ensemble: {
      ...own,
      validation,
      members: members.map((member, m) => {
        const alone = own.build[m]();
        return {
          ...member,
          description: modelDescription(alone),
          parameters: alone.parameterCount(),
          weights: weights.map((list) => list[m]),
          validation: validationOf(measured[m]),
        };
      }),
    },
  };
}

function validationOf({ loss, horizons }: Evaluation): EnsembleMetrics['validation'] {
  return { loss, accuracy: horizons.map(({ accuracy }) => accuracy) };
}

/** What each member reaches alone on the test part. */
export async function scoreMembers(
  { build, members, ...ensemble }: TrainedMembers,
  parameters: ReadonlyMap<string, Float32Array>,
  data: PreparedData,
  config: RunConfig,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: ProgressListener },
): Promise<EnsembleMetrics> {
  const windows = scaledWindows(data, data.scaler.transform(data.table.values), 'test', config.window);
  const total = members.length * windows.length;
  const each = memberParameters(parameters);
  const scored: MemberMetrics[] = [];
  for (const [m, member] of members.entries()) {
    const done = m * windows.length;
    const logits = await predictLogits(build[m](), each[m], windows, {
      signal,
      onProgress: (fraction) =>
        onProgress?.({
          ...{ stage: 'members', done: done + Math.round(fraction * windows.length), total },
          ...{ unit: 'rows', detail: member.name },
        }),
    });
    const scores = data.labels.map((label, h): MemberScore => {
      const { horizon, accuracy, macroF1, logLoss, coverage } = scoreHorizon(logits[h], windows.rows, label);
      return { horizon, accuracy, macroF1, logLoss, directional: coverage[0].directional };
    });
    scored.push({ ...member, scores });
  }
  const detail = `${members.length} members on ${windows.length} test rows`;
  onProgress?.({ stage: 'members', done: total, total, unit: 'rows', detail, finished: true });
  return { ...ensemble, members: scored };
}
