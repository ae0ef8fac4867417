import { FlashbookError } from '../core/errors.js';
import { translated } from './addon.js';
import { requireAddon } from './load.js';

interface Waiting {
  resolve(outputs: ArrayBuffer | undefined): void;
  reject(error: unknown): void;
}

/** The runs of this environment that have been started and have not ended. */
class Deliveries {
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #connected = false;

  /** Calls `start` with a fresh number and waits until the runner reports that number. */
  start(start: (id: number) => void): Promise<ArrayBuffer | undefined> {
    if (!this.#connected) {
      requireAddon().onDelivery((id, completed, outputs) => this.#deliver(id, completed, outputs));
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

  #deliver(id: number, completed: boolean, outputs: ArrayBuffer | undefined): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (completed) waiting?.resolve(outputs);
    else waiting?.reject(new FlashbookError('DISPOSED', 'the plan was disposed before its run ended'));
  }
}

export const deliveries = new Deliveries();
