import { checkOptions, finite, integer } from '../core/options.js';
import type { HorizonEvaluation } from './history.js';

/** Which horizons count when: easy ones first. */
export interface Curriculum {
  /** Name and numbers; compared when a checkpoint is resumed. */
  readonly config: Readonly<Record<string, number | string | readonly number[]>>;
  /** One run of it, over so many horizons, ordered from easy to hard, and so many steps. */
  begin(horizons: number, steps: number): CurriculumRun;
}

export interface CurriculumRun {
  /** How much each horizon counts at a step, 0 … 1; the first always counts. */
  weights(step: number): number[];
  /** Told the evaluations, and after which step. */
  observe(horizons: readonly HorizonEvaluation[], step: number): void;
  /** Plain data for a checkpoint. */
  snapshot(): unknown;
  restore(saved: unknown): void;
}

/** A curriculum that goes by the step alone. */
function byStep(
  config: Curriculum['config'],
  weight: (h: number, horizons: number, step: number) => number,
): Curriculum {
  return {
    config,
    begin: (horizons) => ({
      weights: (step) => Array.from({ length: horizons }, (_, h) => (h === 0 ? 1 : weight(h, horizons, step))),
      observe: () => {},
      snapshot: () => null,
      restore: () => {},
    }),
  };
}

/**
 * Horizons join at given steps: horizon h counts 0 until `starts[h − 1]`, then rises to 1 over `ramp` steps. Source: Bengio et al.
 * 2009, "Curriculum Learning", with horizons in the place of examples.
 */
export function curriculumBySteps(options: { starts: readonly number[]; ramp?: number }): Curriculum {
  checkOptions('curriculumBySteps', options, ['starts', 'ramp']);
  const ramp = integer('ramp', options.ramp ?? 1, 1);
  const starts = options.starts.map((start, i) => integer(`starts[${i}]`, start, i === 0 ? 0 : options.starts[i - 1]));
  return byStep({ curriculum: 'bySteps', starts, ramp }, (h, _, step) =>
    Math.min(1, Math.max(0, step - (starts[h - 1] ?? 0)) / ramp),
  );
}

/**
 * Competence grows with the root of the step, c(t) = min(1, (t (1 − c₀^p)/T + c₀^p)^(1/p)), and horizon h of H joins when it exceeds
 * h/H: the easiest at once, the hardest well before step T. Source: Platanios et al. 2019, "Competence-based Curriculum Learning for
 * Neural Machine Translation", eq. 7, with ranks of horizons for those of sentences.
 */
export function curriculumByCompetence(options: { totalSteps: number; initial?: number; power?: number }): Curriculum {
  checkOptions('curriculumByCompetence', options, ['totalSteps', 'initial', 'power']);
  const totalSteps = integer('totalSteps', options.totalSteps, 1);
  const initial = finite('initial', options.initial ?? 0.01, 0, 1);
  const power = finite('power', options.power ?? 2, 1);
  return byStep({ curriculum: 'byCompetence', totalSteps, initial, power }, (h, horizons, step) => {
    const start = initial ** power;
    const competence = Math.min(1, ((step * (1 - start)) / totalSteps + start) ** (1 / power));
    return competence >= h / horizons ? 1 : 0;
  });
}

interface MasteryState {
  /** Horizons that count. */
  active: number;
  best: number | null;
  stale: number;
}

/**
 * The next horizon joins when the hardest that counts is learned: its validation accuracy has reached `accuracy`, or its validation loss
 * has not fallen for `patience` evaluations. A loss that goes on falling to the end must not keep the others out: of H horizons h joins at
 * the latest after the share h/(H − 1) of the first `share` of the steps, so that the hardest has 1 − `share` of them in any budget.
 */
export function curriculumByMastery(
  options: { accuracy?: number; patience?: number; share?: number } = {},
): Curriculum {
  checkOptions('curriculumByMastery', options, ['accuracy', 'patience', 'share']);
  const accuracy = finite('accuracy', options.accuracy ?? 1, 0, 1);
  const patience = integer('patience', options.patience ?? 2, 1);
  const share = finite('share', options.share ?? 0.5, 0, 1);
  return {
    config: { curriculum: 'byMastery', accuracy, patience, share },
    begin(horizons, steps) {
      let state: MasteryState = { active: 1, best: null, stale: 0 };
      // Horizon h has joined when more than h/(H − 1) · share · T steps are made; the first is there from the start.
      const due = (step: number) =>
        Array.from({ length: horizons }, (_, h) => h).filter((h) => step > (h / (horizons - 1 || 1)) * share * steps)
          .length;
      const active = (step: number) => Math.max(state.active, due(step));
      return {
        weights: (step) => Array.from({ length: horizons }, (_, h) => (h < active(step) ? 1 : 0)),
        observe(evaluations, step) {
          if (active(step) > state.active) state = { active: active(step), best: null, stale: 0 };
          const { loss, accuracy: reached } = evaluations[state.active - 1];
          const better = state.best === null || loss < state.best;
          state = { ...state, best: better ? loss : state.best, stale: better ? 0 : state.stale + 1 };
          if (state.active < horizons && (reached >= accuracy || state.stale >= patience)) {
            state = { active: state.active + 1, best: null, stale: 0 };
          }
        },
        snapshot: () => ({ ...state }),
        restore(saved) {
          state = { ...(saved as MasteryState) };
        },
      };
    },
  };
}
