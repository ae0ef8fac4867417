/** Schedules that come back to a high rate: restarts, cycles for averages and ensembles. Pure functions of the step. */
import { FlashbookError } from '../core/errors.js';
import { finite, integer } from '../core/options.js';
import type { Schedule } from './schedule.js';

export interface CosineRestartsOptions {
  /** The highest rate η_max. */
  learningRate: number;
  /** w: steps of linear warm-up. */
  warmupSteps?: number;
  /** T: steps of the whole schedule; the last, and any after it, has `minLearningRate`. */
  totalSteps: number;
  minLearningRate?: number;
  /** Descents after the warm-up. */
  cycles?: number;
  /** Each descent is this much longer than the one before. */
  lengthen?: number;
  /** Each descent begins at this share of the height of the one before. */
  damp?: number;
}

/**
 * Linear warm-up over w steps, then half cosines that begin at the highest rate again ("warm restarts"):
 *
 *     η(t) = η_max t/w                                                       for t ≤ w
 *     η(t) = η_min + ½ (η_max damp^i − η_min) (1 + cos(π τ/T_i))              τ steps into descent i of T_i = T_0 lengthen^i steps
 *
 * The step of a restart has the high rate (τ = 0), step T the lowest. Source: Loshchilov & Hutter 2017, "SGDR", eq. 5; warm-up from Goyal et
 * al. 2017, §2.2. With `lengthen` and `damp` 1 it is get_cosine_with_hard_restarts_schedule_with_warmup of Hugging Face.
 */
export function cosineRestarts(options: CosineRestartsOptions): Schedule {
  const {
    learningRate,
    warmupSteps = 0,
    totalSteps,
    minLearningRate = 0,
    cycles = 4,
    lengthen = 1,
    damp = 1,
  } = options;
  finite('learningRate', learningRate, 0);
  integer('totalSteps', totalSteps, 1);
  integer('warmupSteps', warmupSteps, 0, totalSteps);
  finite('minLearningRate', minLearningRate, 0, learningRate);
  integer('cycles', cycles, 1);
  finite('lengthen', lengthen, 1);
  finite('damp', damp, 0, 1);
  const shares = Array.from({ length: cycles }, (_, i) => lengthen ** i);
  const unit = (totalSteps - warmupSteps) / shares.reduce((a, b) => a + b);
  // The step at which each descent begins, and that at which the last one ends.
  const begins = [warmupSteps];
  for (const share of shares) begins.push(begins[begins.length - 1] + share * unit);
  return {
    config: {
      schedule: 'cosineRestarts',
      learningRate,
      warmupSteps,
      totalSteps,
      minLearningRate,
      cycles,
      lengthen,
      damp,
    },
    at(step) {
      if (step <= warmupSteps && warmupSteps > 0) return (learningRate * step) / warmupSteps;
      if (step >= totalSteps) return minLearningRate;
      let i = 0;
      while (i + 1 < cycles && step >= begins[i + 1]) i++;
      const done = (step - begins[i]) / (begins[i + 1] - begins[i]);
      return (
        minLearningRate +
        0.5 * (Math.max(minLearningRate, learningRate * damp ** i) - minLearningRate) * (1 + Math.cos(Math.PI * done))
      );
    },
  };
}

export interface SnapshotCyclesOptions {
  learningRate: number;
  totalSteps: number;
  /** M: cycles, at the end of each of which a snapshot is taken. */
  cycles: number;
}

/**
 * The cyclic rate of snapshot ensembles: η(t) = η₀/2 · (cos(π mod(t − 1, ⌈T/M⌉)/⌈T/M⌉) + 1). Source: Huang et al. 2017, "Snapshot
 * Ensembles: Train 1, Get M for Free", eq. 2.
 */
export function snapshotCycles({ learningRate, totalSteps, cycles }: SnapshotCyclesOptions): Schedule {
  finite('learningRate', learningRate, 0);
  integer('totalSteps', totalSteps, 1);
  integer('cycles', cycles, 1, totalSteps);
  const length = Math.ceil(totalSteps / cycles);
  return {
    config: { schedule: 'snapshotCycles', learningRate, totalSteps, cycles },
    at: (step) => (learningRate / 2) * (Math.cos((Math.PI * ((step - 1) % length)) / length) + 1),
  };
}

export interface TriangularOptions {
  /** α₁: the rate at the beginning and end of a cycle. */
  learningRate: number;
  /** α₂: the rate in the middle of it. */
  minLearningRate: number;
  /** c: steps of a cycle, even. */
  cycle: number;
}

/**
 * The short cycles of fast geometric ensembles, with t(i) = (mod(i − 1, c) + 1)/c:
 *
 *     α(i) = (1 − 2 t) α₁ + 2 t α₂  for t ≤ ½,   (2 − 2 t) α₂ + (2 t − 1) α₁  for t > ½
 *
 * Source: Garipov et al. 2018, "Loss Surfaces, Mode Connectivity, and Fast Ensembling of DNNs", §4. Weights are collected where the rate
 * is lowest, in the middle of each cycle.
 */
export function triangular({ learningRate, minLearningRate, cycle }: TriangularOptions): Schedule {
  finite('learningRate', learningRate, 0);
  finite('minLearningRate', minLearningRate, 0, learningRate);
  integer('cycle', cycle, 2);
  if (cycle % 2 !== 0)
    throw new FlashbookError('OPTION', `expected an even number for cycle but received ${cycle}`, { name: 'cycle' });
  return {
    config: { schedule: 'triangular', learningRate, minLearningRate, cycle },
    at(step) {
      const t = (((step - 1) % cycle) + 1) / cycle;
      return t <= 0.5
        ? (1 - 2 * t) * learningRate + 2 * t * minLearningRate
        : (2 - 2 * t) * minLearningRate + (2 * t - 1) * learningRate;
    },
  };
}

/**
 * Another schedule until `start`, then half a cosine from the rate it has there to a constant one: for averages of weights
 * (SWA), which want a rate that still moves. Source: Izmailov et al. 2018, §3.2, in the form of torch.optim.swa_utils.SWALR.
 */
export function swaTail(
  before: Schedule,
  { start, learningRate, annealSteps = 10 }: { start: number; learningRate: number; annealSteps?: number },
): Schedule {
  integer('start', start, 1);
  finite('learningRate', learningRate, 0);
  integer('annealSteps', annealSteps, 0);
  const from = before.at(start);
  return {
    config: { schedule: 'swaTail', start, learningRate, annealSteps, before: before.config },
    at(step) {
      if (step <= start) return before.at(step);
      if (step >= start + annealSteps) return learningRate;
      return learningRate + 0.5 * (from - learningRate) * (1 + Math.cos((Math.PI * (step - start)) / annealSteps));
    },
  };
}
