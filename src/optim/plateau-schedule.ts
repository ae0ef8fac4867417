import { finite, integer } from '../core/options.js';
import type { Schedule, ScheduleRun } from './schedule.js';

export interface ReduceOnPlateauOptions {
  /** The first rate. */
  learningRate: number;
  /** What the rate is multiplied by. */
  factor?: number;
  /** Evaluations without a better loss that are borne; one more, and the rate falls. */
  patience?: number;
  /** An evaluation is better when its loss is below best · (1 − threshold). */
  threshold?: number;
  /** Evaluations after a fall that do not count. */
  cooldown?: number;
  minLearningRate?: number;
  /** Steps of linear warm-up, whatever the loss. */
  warmupSteps?: number;
}

/** What a run of the schedule remembers; `best` is null before the first evaluation. */
interface PlateauState {
  best: number | null;
  bad: number;
  cooling: number;
  falls: number;
}

/**
 * The rate falls when the validation loss has not fallen for `patience` evaluations: η ← max(η · factor, η_min). A NaN loss
 * never is better. As torch.optim.lr_scheduler.ReduceLROnPlateau with mode 'min' and a relative threshold.
 */
export function reduceOnPlateau(options: ReduceOnPlateauOptions): Schedule {
  const { learningRate, factor = 0.1, patience = 10, threshold = 1e-4, cooldown = 0 } = options;
  const { minLearningRate = 0, warmupSteps = 0 } = options;
  finite('learningRate', learningRate, 0);
  finite('factor', factor, 0, 1);
  integer('patience', patience, 0);
  finite('threshold', threshold, 0, 1);
  integer('cooldown', cooldown, 0);
  finite('minLearningRate', minLearningRate, 0, learningRate);
  integer('warmupSteps', warmupSteps, 0);
  const rate = (step: number, falls: number) =>
    Math.min(1, warmupSteps === 0 ? 1 : step / warmupSteps) * Math.max(minLearningRate, learningRate * factor ** falls);
  return {
    config: {
      schedule: 'reduceOnPlateau',
      ...{ learningRate, factor, patience, threshold, cooldown, minLearningRate, warmupSteps },
    },
    at: (step) => rate(step, 0),
    follow(): ScheduleRun {
      let state: PlateauState = { best: null, bad: 0, cooling: 0, falls: 0 };
      return {
        at: (step) => rate(step, state.falls),
        observe(loss) {
          let { best, bad, cooling, falls } = state;
          if (!Number.isNaN(loss) && (best === null || loss < best * (1 - threshold))) [best, bad] = [loss, 0];
          else bad++;
          if (cooling > 0) [cooling, bad] = [cooling - 1, 0];
          if (bad > patience) [falls, cooling, bad] = [falls + 1, cooldown, 0];
          state = { best, bad, cooling, falls };
        },
        snapshot: () => ({ ...state }),
        restore(saved) {
          state = { ...(saved as PlateauState) };
        },
      };
    },
  };
}
