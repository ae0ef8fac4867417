import { performance } from 'node:perf_hooks';

/**
 * A source of time: milliseconds from an arbitrary start, never going back. Long work takes one as its option `clock`,
 * so that tests decide what time it is; clock values are shown to people and never reach a result.
 */
export type Clock = () => number;

/** The clock of this process. */
export const systemClock: Clock = () => performance.now();

/** How fast work goes and how long it has still to go. */
export interface Pace {
  /** Units of work a second; 0 before the first is done. */
  perSecond: number;
  /** Seconds until all is done; NaN before the first unit is done. */
  secondsLeft: number;
}

/**
 * Rate and time left of work that is counted in units, from the most recent units, so that a slow start (a cold cache, a
 * resumed run) is soon forgotten. Times outside the work itself are cut out with `pause` and `resume`.
 */
export class PaceMeter {
  readonly #clock: Clock;
  readonly #times: number[] = [];
  readonly #counts: number[] = [];
  readonly #span: number;
  #pausedAt: number | undefined;
  #pausedTotal = 0;

  constructor(clock: Clock = systemClock, done = 0, { span = 64 }: { span?: number } = {}) {
    this.#clock = clock;
    this.#span = span;
    this.#times.push(this.#now());
    this.#counts.push(done);
  }

  /** Time spent between `pause` and `resume` does not count. */
  pause(): void {
    this.#pausedAt ??= this.#clock();
  }

  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#pausedTotal += this.#clock() - this.#pausedAt;
    this.#pausedAt = undefined;
  }

  /** Says that `done` of `total` units are finished now. */
  at(done: number, total: number): Pace {
    this.#times.push(this.#now());
    this.#counts.push(done);
    if (this.#times.length > this.#span) {
      this.#times.shift();
      this.#counts.shift();
    }
    const milliseconds = this.#times[this.#times.length - 1] - this.#times[0];
    const units = this.#counts[this.#counts.length - 1] - this.#counts[0];
    if (units <= 0 || milliseconds <= 0) return { perSecond: 0, secondsLeft: Number.NaN };
    const perSecond = (units * 1000) / milliseconds;
    return { perSecond, secondsLeft: Math.max(0, total - done) / perSecond };
  }

  #now(): number {
    return (this.#pausedAt ?? this.#clock()) - this.#pausedTotal;
  }
}
