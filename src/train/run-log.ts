import { appendFile } from 'node:fs/promises';
import { fileError, writeFileAtomic } from '../core/files.js';
import type { Configuration } from './configuration.js';
import type { EvaluationRecord, History, StepRecord } from './history.js';

/** A line of the run log. */
export type RunLogLine =
  | { event: 'start'; configuration: Configuration }
  | ({ event: 'step' } & StepRecord)
  | ({ event: 'evaluation' } & EvaluationRecord)
  | { event: 'end'; reason: string; step: number; bestStep: number };

/**
 * The history of a run as a file of JSON lines, for people and plotting tools while the run goes on. A resumed run begins
 * the file anew with the history of its checkpoint, so the file never holds a step twice.
 */
export class RunLog {
  readonly #path: string;
  #pending: string[] = [];

  private constructor(path: string) {
    this.#path = path;
  }

  /** Begins the file with the configuration and what has happened so far. */
  static async open(path: string, configuration: Configuration, history: History): Promise<RunLog> {
    const lines: RunLogLine[] = [{ event: 'start', configuration }];
    let next = 0;
    for (const step of history.steps) {
      lines.push({ event: 'step', ...step });
      for (; history.evaluations[next]?.step === step.step; next++) {
        lines.push({ event: 'evaluation', ...history.evaluations[next] });
      }
    }
    await writeFileAtomic(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return new RunLog(path);
  }

  /** Keeps a line; it reaches the file with the next `flush`. */
  write(line: RunLogLine): void {
    this.#pending.push(`${JSON.stringify(line)}\n`);
  }

  /** Lines kept and not yet in the file. */
  get pending(): number {
    return this.#pending.length;
  }

  async flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    const text = this.#pending.join('');
    this.#pending = [];
    try {
      await appendFile(this.#path, text);
    } catch (cause) {
      throw fileError(this.#path, 'write', cause);
    }
  }
}
