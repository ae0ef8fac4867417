import { FlashbookError } from '../core/errors.js';
import { type EngineAddon, translated } from './addon.js';

interface Waiting {
  resolve(outputs: ArrayBuffer | undefined): void;
  reject(error: unknown): void;
}

/** The runs of one addon in this environment that have been started and have not ended. */
export class Deliveries {
  readonly #addon: EngineAddon;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #connected = false;

  constructor(addon: EngineAddon) {
    this.#addon = addon;
  }

  /** Calls `start` with a fresh number and waits until the runner reports that number. */
  start(start: (id: number) => void): Promise<ArrayBuffer | undefined> {
    if (!this.#connected) {
      this.#addon.onDelivery((id, completed, outputs, problem) => this.#deliver(id, completed, outputs, problem));
      this.#connected = true;
    }
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      try {
        start(id);
      } catch (error) {
        this.#waiting.delete(id);
        reject(translated(error));
      }
    });
  }

  #deliver(id: number, completed: boolean, outputs: ArrayBuffer | undefined, problem: string | undefined): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (completed) waiting?.resolve(outputs);
    else if (problem !== undefined) waiting?.reject(new FlashbookError('NATIVE', problem));
    else waiting?.reject(new FlashbookError('DISPOSED', 'the plan was disposed before its run ended'));
  }
}
