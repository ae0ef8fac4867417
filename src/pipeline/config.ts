import { z } from 'zod';
import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, nearest, oneOf } from '../core/options.js';
import { ATTENTIONS, MODEL_NAMES, modelPreset, POSITIONS } from '../models/index.js';
import { REGRESSIONS } from '../nn/index.js';
import { OPTIMIZERS, scheduleAlias } from '../optim/index.js';
import { checkHorizonWeights, ENSEMBLE_WEIGHTINGS } from '../train/index.js';
import { memberConfigs } from './members.js';
import { runModel } from './run-model.js';

/** Schedules that a run can take: those that need no numbers but its own. */
export const RUN_SCHEDULES = [
  'cosine',
  'cosineRestarts',
  'constant',
  'oneCycle',
  'inverseSqrt',
  'reduceOnPlateau',
] as const;
export const CURRICULA = ['none', 'competence', 'mastery'] as const;
/** Ensembles whose members are taken out of one run. */
export const CYCLE_ENSEMBLES = ['snapshots', 'geometric'] as const;
export const AUGMENTATIONS = ['jitter', 'warpMagnitude', 'warpTime', 'sliceWindow'] as const;

/** More columns than any feature set has: the width of the windows is not known yet. */
export const MOST_FEATURES = 4096;
const count = (min: number, max = 1e9) => z.int().min(min).max(max);

/** What a run says of its model, and of how a member of an ensemble differs from the others. */
const model = z.enum(MODEL_NAMES);
const sizes = {
  layers: count(1, 64).optional(),
  width: count(8, 4096).optional(),
  heads: count(1, 64).optional(),
  feedForward: count(8, 16_384).optional(),
  /** How a transformer knows which step is which. */
  positions: z.enum(POSITIONS).optional(),
  /** How far the heads of a transformer look: 'multiScale' gives each a horizon of its own. */
  attention: z.enum(ATTENTIONS).optional(),
  /** Experts of a mixture in place of each feed-forward of a transformer. */
  experts: count(0, 64).optional(),
  /** Experts that a step uses; 2 where there are as many. */
  topExperts: count(1, 64).optional(),
};
const probability = z.number().min(0).max(0.9);
const rate = z.number().positive().max(1);
const stepCount = count(1, 10_000_000);

/** A member of an ensemble of different models: a preset, and what it changes of the run's configuration. */
export const memberSchema = z.strictObject({
  model,
  ...sizes,
  dropout: probability.optional(),
  /** Dropout of the attention weights. */
  attentionDropout: probability.optional(),
  dropPath: probability.optional(),
  steps: stepCount.optional(),
  learningRate: rate.optional(),
});
export type EnsembleMemberConfig = z.infer<typeof memberSchema>;

/** Everything that decides the outcome of a run. Stored in the run's folder; `--resume` refuses another one. */
export const runConfigSchema = z.strictObject({
  /** A market data file; absent: the synthetic session. */
  data: z.string().optional(),
  format: z.string().default('auto'),
  /** Orders the synthetic session, initial weights, shuffling and dropout. */
  seed: count(0, 2 ** 32 - 1).default(1),
  /** Events of the synthetic session. */
  events: count(2000, 10_000_000).default(40_000),
  levels: count(1, 10).default(10),
  /** Events ahead, one output head each. */
  horizons: z.array(count(1, 100_000)).min(1).max(16).default([10, 50, 100]),
  /** 'mid': mean of the next k mids against the mid now (Zhang et al. 2019, eq. 3); 'past': against the mean of the last k (eq. 4). */
  label: z.enum(['mid', 'past']).default('mid'),
  /** 'extended': with those for models of few rows. */
  features: z.enum(['default', 'extended']).default('default'),
  /** Train on every window's mirror image too: bids and asks change places, up and down too. */
  mirror: z.boolean().default(false),
  /** Rows that the model sees at once. */
  window: count(2, 4096).default(100),
  /** A preset: `flashbook models` lists them. The sizes below are its own where they are left out. */
  model: model.default('pricePredictor'),
  ...sizes,
  /** Several models as one: different ones, each trained from a seed of its own, or weights out of one run (see `trainSnapshots`, `trainGeometric`). */
  ensemble: z.union([z.enum(CYCLE_ENSEMBLES), z.array(memberSchema).min(2).max(32)]).optional(),
  /** How much each member counts; default learned for different models, equal for those of one run. */
  weighting: z.enum(ENSEMBLE_WEIGHTINGS).optional(),
  /** Share of the steps that the cycles of a geometric ensemble take. */
  cycleShare: z.number().positive().max(0.9).default(0.25),
  /** α₁ and α₂ of a geometric ensemble; default a half and a twentieth of the learning rate. */
  cycleLearningRate: rate.optional(),
  cycleMinLearningRate: rate.optional(),
  dropout: probability.default(0.2),
  batch: count(1, 4096).default(64),
  steps: stepCount,
  learningRate: rate,
  minLearningRate: z.number().min(0).max(1).default(1e-6),
  warmupSteps: count(0, 1_000_000),
  weightDecay: z.number().min(0).max(1).default(0.01),
  clipNorm: z.number().min(0).default(1),
  /** Elements of gradients are clipped to ± this; 0: not. */
  clipValue: z.number().min(0).default(0),
  optimizer: z.enum(OPTIMIZERS).default('adamw'),
  /** Of SGD. */
  momentum: z.number().min(0).max(0.9999).default(0.9),
  nesterov: z.boolean().default(false),
  /** Gradient centralisation. */
  centralise: z.boolean().default(false),
  /** Steps between synchronisations of Lookahead; 0: without. */
  lookahead: count(0, 1000).default(0),
  /** Radius of sharpness-aware minimisation; 0: without. */
  sam: z.number().min(0).max(100).default(0),
  /** The radius of each weight in proportion to its size (ASAM). */
  adaptiveSam: z.boolean().default(false),
  /** Decay of a moving average of the weights, which is what is kept; 0: without. */
  ema: z.number().min(0).max(0.999999).default(0),
  /** Share of the steps after which weights are averaged (SWA), which is what is kept; 0: without. */
  swa: z.number().min(0).max(0.999).default(0),
  /** Factor of the learning rate from each layer to the one before it, the heads learning at the whole rate; 1: all alike. */
  layerwiseRate: rate.default(1),
  schedule: z.enum(RUN_SCHEDULES).default('cosine'),
  /** Descents of the schedule cosineRestarts; members of an ensemble out of one run. */
  cycles: count(1, 1000).default(4),
  /** Batches whose gradients make one step. */
  accumulate: count(1, 4096).default(1),
  /** 'bf16': matrix products round their operands to bf16. */
  precision: z.enum(['f32', 'bf16']).default('f32'),
  /** Activations of the INT8 artefact: a scale for each row as it comes, or one a layer, calibrated over training windows. */
  int8: z.enum(['dynamic', 'static']).default('dynamic'),
  /** Segments of the forward pass that are computed again in the backward pass; 0: keep all activations. */
  recompute: count(0, 64).default(0),
  /** Dropout of the attention weights. */
  attentionDropout: probability.default(0),
  /** Stochastic depth of the last layer. */
  dropPath: probability.default(0),
  /** α of mixup and of CutMix; 0: without. */
  mixup: z.number().min(0).max(100).default(0),
  cutmix: z.number().min(0).max(100).default(0),
  /** γ of the focal loss; 0: cross-entropy. */
  focalGamma: z.number().min(0).max(10).default(0),
  /** 'balanced': all classes weigh the same in the loss. */
  classWeights: z.enum(['none', 'balanced']).default('none'),
  /** What the heads learn of the return beside the class. */
  regression: z.enum(REGRESSIONS).default('none'),
  /** Weight of each horizon's loss; default 1 each. */
  horizonWeights: z.array(z.number().min(0)).optional(),
  /** Learn how much each horizon counts. */
  learnHorizonWeights: z.boolean().default(false),
  /** Which horizons count when: all at once, by competence over the first half of the steps, or each when the one before is learned. */
  curriculum: z.enum(CURRICULA).default('none'),
  /** Changes of the training windows. */
  augment: z.array(z.enum(AUGMENTATIONS)).default([]),
  labelSmoothing: z.number().min(0).max(0.9).default(0.1),
  evaluateEvery: count(1, 1_000_000),
  /** Evaluations without improvement after which training stops. */
  patience: count(1, 1000).default(5),
  /** Validation windows looked at in one evaluation, spread evenly. */
  validationWindows: count(64, 10_000_000),
  /** Single predictions timed for each predictor. */
  latencySamples: count(20, 1_000_000),
});

export type RunConfig = z.infer<typeof runConfigSchema>;

/** What a caller may leave out. */
export type RunConfigInput = Partial<RunConfig>;

/**
 * What differs between the quick synthetic session and a real day. Both have few independent stretches among their many
 * overlapping windows: the validation loss rises again within an epoch, so they are trained short, with much dropout.
 */
const SYNTHETIC: Partial<RunConfig> = {
  steps: 300,
  warmupSteps: 15,
  learningRate: 2e-4,
  evaluateEvery: 50,
  validationWindows: 2048,
  latencySamples: 500,
};
const REAL: Partial<RunConfig> = {
  steps: 800,
  warmupSteps: 80,
  learningRate: 3e-4,
  evaluateEvery: 100,
  validationWindows: 6000,
  latencySamples: 2000,
};

/**
 * Fills in defaults and checks every value.
 *
 * @throws FlashbookError `OPTION` naming the option, what was expected and what came.
 */
export function runConfig(input: RunConfigInput = {}): RunConfig {
  checkOptions('run', input, Object.keys(runConfigSchema.shape));
  checkEnsemble(input.ensemble);
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  if (typeof given.schedule === 'string') given.schedule = scheduleAlias(given.schedule) as RunConfig['schedule'];
  const steps = typeof given.steps === 'number' ? given.steps : undefined;
  const sizes = given.data === undefined ? SYNTHETIC : REAL;
  const scaled =
    steps === undefined
      ? {}
      : { warmupSteps: Math.ceil(steps / 20), evaluateEvery: Math.max(1, Math.ceil(steps / 10)) };
  const parsed = runConfigSchema.safeParse({ ...sizes, ...scaled, ...given });
  if (!parsed.success) {
    const issue = plainIssue(parsed.error.issues[0]);
    const name = issue.path.join('.');
    // 'Too small: expected number to be >=2' → '>=2'; the names in it keep their letters.
    const expected = issue.message.replace(/^(Too \w+|Invalid \w+): expected (\w+ to be )?/, '');
    const received = at(given, issue.path);
    if (issue.code === 'invalid_value') oneOf(name, received, issue.values.map(String)); // tells the nearest too
    throw invalid(name, expected, received);
  }
  const config = parsed.data;
  // Finds sizes that do not fit a model before any data is read.
  for (const each of memberConfigs(config)) runModel(each, MOST_FEATURES);
  if (new Set(config.horizons).size !== config.horizons.length)
    throw invalid('horizons', 'different numbers', config.horizons);
  checkHeeded(config);
  checkHorizonWeights(config.horizonWeights, config.horizons.length);
  if (config.minLearningRate > config.learningRate) {
    throw invalid('minLearningRate', `at most learningRate ${config.learningRate}`, config.minLearningRate);
  }
  checkCycles(config);
  return config;
}

function checkCycles(config: RunConfig): void {
  const { ensemble, cycles, steps, learningRate, cycleLearningRate, cycleMinLearningRate } = config;
  const geometric = { cycleLearningRate, cycleMinLearningRate };
  for (const [name, value] of Object.entries(geometric)) {
    if (value !== undefined && ensemble !== 'geometric') throw invalid(name, "ensemble 'geometric' with it", value);
  }
  if (config.weighting !== undefined && ensemble === undefined)
    throw invalid('weighting', 'an ensemble with it', config.weighting);
  if (ensemble === 'snapshots' && cycles > steps) throw invalid('cycles', `at most steps ${steps}`, cycles);
  const highest = cycleLearningRate ?? learningRate / 2;
  if (cycleMinLearningRate !== undefined && cycleMinLearningRate > highest)
    throw invalid('cycleMinLearningRate', `at most cycleLearningRate ${highest}`, cycleMinLearningRate);
}

/** Names are checked here, where the right one can be told. */
function checkEnsemble(ensemble: unknown): void {
  if (typeof ensemble === 'string' && !(CYCLE_ENSEMBLES as readonly string[]).includes(ensemble)) {
    const guess = nearest(ensemble, CYCLE_ENSEMBLES);
    const error = invalid('ensemble', "'snapshots', 'geometric' or at least two models", ensemble);
    if (guess !== undefined) error.message += `; did you mean '${guess}'?`;
    throw error;
  }
  if (!Array.isArray(ensemble)) return;
  for (const [m, member] of ensemble.entries()) {
    checkOptions(`ensemble.${m}`, member, Object.keys(memberSchema.shape));
    modelPreset(member.model);
  }
}

/** Of a value that may be one thing or another, what is wrong with it as a list of models. */
function plainIssue(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors.at(-1)![0];
  return { ...inner, path: [...issue.path, ...inner.path] };
}

function at(value: unknown, path: PropertyKey[]): unknown {
  return path.reduce((v, key) => (v as Record<PropertyKey, unknown> | undefined)?.[key], value);
}

/** What would be left out in silence is an error. */
function checkHeeded({ optimizer, nesterov, sam, adaptiveSam, experts, topExperts, ensemble }: RunConfig): void {
  if (topExperts !== undefined && !experts && !Array.isArray(ensemble))
    throw invalid('topExperts', 'experts with it', topExperts);
  if (nesterov && optimizer !== 'sgd') throw invalid('nesterov', "optimizer 'sgd' with it", nesterov);
  if (adaptiveSam && sam === 0) throw invalid('adaptiveSam', 'a radius sam with it', adaptiveSam);
}

/** Refuses to go on with a run under another configuration, and names the first difference. */
export function sameConfig(stored: RunConfig, asked: RunConfig, folder: string): void {
  for (const key of Object.keys(runConfigSchema.shape) as (keyof RunConfig)[]) {
    const [before, now] = [JSON.stringify(stored[key]), JSON.stringify(asked[key])];
    if (before === now) continue;
    throw new FlashbookError(
      'OPTION',
      `the run in ${folder} was started with ${key} ${before ?? 'unset'}, now it is ${now ?? 'unset'}; resume with the same options or choose another --out`,
      { folder, option: key },
    );
  }
}
