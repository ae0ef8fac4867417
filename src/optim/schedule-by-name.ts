import { FlashbookError } from '../core/errors.js';
import { checkOptions, nearest } from '../core/options.js';
import { cosineRestarts, snapshotCycles, triangular } from './cyclic-schedules.js';
import { constant, inverseSqrt, oneCycle, steps, warmupCosine } from './falling-schedules.js';
import { reduceOnPlateau } from './plateau-schedule.js';
import type { Schedule } from './schedule.js';

/** A schedule's name and its options, as plain data. */
export interface ScheduleSettings {
  schedule: string;
  [option: string]: string | number | readonly number[] | undefined;
}

interface Entry {
  options: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: each maker checks its own options
  make(options: any): Schedule;
}

/** Every schedule by name, with the options that it takes. */
export const SCHEDULES: Readonly<Record<string, Entry>> = {
  constant: { options: ['learningRate'], make: ({ learningRate }) => constant(learningRate) },
  steps: { options: ['learningRate', 'every', 'at', 'factor'], make: steps },
  cosine: { options: ['learningRate', 'warmupSteps', 'totalSteps', 'minLearningRate'], make: warmupCosine },
  cosineRestarts: {
    options: ['learningRate', 'warmupSteps', 'totalSteps', 'minLearningRate', 'cycles', 'lengthen', 'damp'],
    make: cosineRestarts,
  },
  oneCycle: { options: ['learningRate', 'totalSteps', 'rise', 'divide', 'finalDivide'], make: oneCycle },
  inverseSqrt: { options: ['learningRate', 'warmupSteps'], make: inverseSqrt },
  reduceOnPlateau: {
    options: ['learningRate', 'factor', 'patience', 'threshold', 'cooldown', 'minLearningRate', 'warmupSteps'],
    make: reduceOnPlateau,
  },
  snapshotCycles: { options: ['learningRate', 'totalSteps', 'cycles'], make: snapshotCycles },
  triangular: { options: ['learningRate', 'minLearningRate', 'cycle'], make: triangular },
};

/** Names that other frameworks and configurations use. */
const ALIASES: Readonly<Record<string, string>> = {
  cosine_with_restarts: 'cosineRestarts',
  cosine_with_hard_restarts: 'cosineRestarts',
  warmup_cosine: 'cosine',
  warmupCosine: 'cosine',
  one_cycle: 'oneCycle',
  inverse_sqrt: 'inverseSqrt',
  reduce_on_plateau: 'reduceOnPlateau',
  snapshot_cycles: 'snapshotCycles',
  step: 'steps',
};
const OPTION_ALIASES: Readonly<Record<string, string>> = {
  peak_lr: 'learningRate',
  min_lr: 'minLearningRate',
  warmup_steps: 'warmupSteps',
  total_steps: 'totalSteps',
};

/**
 * A schedule from plain data: `schedule` is its name, the rest its options. Takes the snake_case names of configuration files
 * too: { schedule: 'cosine_with_restarts', warmup_steps, total_steps, peak_lr, min_lr }.
 *
 * @throws FlashbookError OPTION naming the nearest schedule or option
 */
export function scheduleFrom({ schedule, ...given }: ScheduleSettings): Schedule {
  const name = scheduleName(schedule);
  const entry = SCHEDULES[name];
  const options = Object.fromEntries(
    Object.entries(given)
      .filter(([, value]) => value !== undefined)
      .map(([option, value]) => [OPTION_ALIASES[option] ?? option, value]),
  );
  checkOptions(`schedule ${name}`, options, [...entry.options]);
  return entry.make(options);
}

/**
 * The schedule that a name or an alias stands for.
 * @throws FlashbookError OPTION naming the nearest
 */
export function scheduleName(schedule: string): string {
  const name = scheduleAlias(schedule);
  if (Object.hasOwn(SCHEDULES, name)) return name;
  const names = Object.keys(SCHEDULES);
  const guess = nearest(String(schedule), names);
  throw new FlashbookError(
    'OPTION',
    `expected one of ${names.join(', ')} as the schedule but received '${schedule}'${guess === undefined ? '' : `; did you mean '${guess}'?`}`,
    { name: 'schedule', received: schedule, guess },
  );
}

/** The name that an alias stands for, or what was given. */
export function scheduleAlias(name: string): string {
  return Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
}
