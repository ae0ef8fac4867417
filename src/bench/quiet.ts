import { setTimeout as sleep } from 'node:timers/promises';
import { runPeak, setThreads } from '../native/index.js';
import { timed } from './case.js';

/** A yardstick of a fifth of a millisecond tells a busy core from a free one, and is short beside what is measured. */
const YARDSTICK_NS = 200_000;
/** Slower than this against its best, and something else has run meanwhile. */
const BUSY = 1.15;
const RETRY_MS = 10;

/**
 * Tells whether the machine does anything else: a fixed piece of arithmetic on all threads takes the same time whenever
 * every one of them has a core to itself.
 */
export class Yardstick {
  #rounds = 1000;
  #best = Number.POSITIVE_INFINITY;

  constructor(readonly threads: number) {
    setThreads(threads);
    runPeak('f32', { threads, rounds: this.#rounds }); // starts the threads
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20; i++) best = Math.min(best, this.#once());
    this.#rounds = Math.max(100, Math.round((this.#rounds * YARDSTICK_NS) / best));
    for (let i = 0; i < 50; i++) this.#best = Math.min(this.#best, this.#once());
  }

  /** Whether the machine is free now. */
  free(): boolean {
    const once = this.#once();
    this.#best = Math.min(this.#best, once);
    return once <= BUSY * this.#best;
  }

  /** Waits until the machine is free, at most `limitMs`; says whether it is. */
  async wait(limitMs: number): Promise<boolean> {
    const end = performance.now() + limitMs;
    while (!this.free()) {
      if (performance.now() > end) return false;
      await sleep(RETRY_MS);
    }
    return true;
  }

  #once(): number {
    return timed(() => runPeak('f32', { threads: this.threads, rounds: this.#rounds }));
  }
}
