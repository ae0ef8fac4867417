/** What a learning-rate schedule is. */

/** A learning rate for every step. */
export interface Schedule {
  /** Name and numbers; compared when a checkpoint is resumed. */
  readonly config: Readonly<Record<string, ScheduleValue>>;
  /**
   * The learning rate of step `step`, the first being 1. A pure function of the step: nothing to save, so a resumed run
   * continues the same curve.
   */
  at(step: number): number;
  /** For a schedule that looks at evaluations: one run of it, in which `at` depends on what was observed. */
  follow?(): ScheduleRun;
}

export type ScheduleValue = number | string | boolean | readonly number[] | { readonly [name: string]: ScheduleValue };

/** A schedule that goes by what training achieves. */
export interface ScheduleRun {
  at(step: number): number;
  /** Told the validation loss after an evaluation. */
  observe(loss: number): void;
  /** Plain data for a checkpoint. */
  snapshot(): unknown;
  restore(saved: unknown): void;
}
