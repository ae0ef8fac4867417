/** The other side of simulate(): what a script in the child process reads and answers. */
import { readFileSync, writeFileSync } from 'node:fs';

export function argument<T>(): T {
  return JSON.parse(readFileSync(process.argv[2], 'utf8')) as T;
}

export function answer(result: unknown): void {
  writeFileSync(process.argv[3], JSON.stringify(result));
}
