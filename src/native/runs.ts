import { FlashbookError } from '../core/errors.js';
import { type Deliver, type EngineAddon, type NativeRun, translated } from './addon.js';

/** What a job has brought. */
export interface Delivery {
  /** Runs that were made: all, or those up to one with an output that is not finite. */
  made: number;
  /** The wanted outputs of these runs, one behind the other. */
  outputs: ArrayBuffer | undefined;
}

interface Waiting {
  resolve(delivery: Delivery): void;
  reject(error: unknown): void;
}

/** The jobs of one addon in this environment that have been started and have not ended. */
export class Deliveries {
  readonly #addon: EngineAddon;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #connected = false;

  constructor(addon: EngineAddon) {
    this.#addon = addon;
  }

  /** Starts a job and waits until the runner reports its end. */
  start(runs: readonly NativeRun[]): Promise<Delivery> {
    if (!this.#connected) {
      this.#addon.onDelivery((...delivered) => this.#deliver(...delivered));
      this.#connected = true;
    }
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      try {
        this.#addon.start(id, runs);
      } catch (error) {
        this.#waiting.delete(id);
        reject(translated(error));
      }
    });
  }

  #deliver(...[id, completed, outputs, problem, made]: Parameters<Deliver>): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (completed) waiting?.resolve({ made, outputs });
    else if (problem !== undefined) waiting?.reject(new FlashbookError('NATIVE', problem));
    else waiting?.reject(new FlashbookError('DISPOSED', 'the plan was disposed before its run ended'));
  }
}
