import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const MAIN = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.js');

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Called with all of stderr so far, each time it grows; may kill the process. */
  watch?: (stderr: string, kill: (signal: NodeJS.Signals) => void) => void;
  /** Blocks of 1024 bytes after which a file cannot grow: a full disk. */
  fileLimit?: number;
}

/** Runs the built command line as a person does, in a process of its own. */
export function flashbook(args: string[], { env, cwd, watch, fileLimit }: CommandOptions = {}): Promise<Outcome> {
  const command = fileLimit === undefined ? process.execPath : 'bash';
  const all =
    fileLimit === undefined
      ? [MAIN, ...args]
      : ['-c', `ulimit -f ${fileLimit}; exec "$0" "$@"`, process.execPath, MAIN, ...args];
  return new Promise((resolve, reject) => {
    const child = spawn(command, all, { cwd, env: { ...process.env, NO_COLOR: '1', ...env } });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      watch?.(stderr, (signal) => child.kill(signal));
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** A folder for the tests of one file, which is removed after them. Call it where the file is read, not in a hook. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flashbook-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A run so small that it takes seconds, with every stage in it. */
export const SMALL_RUN = [
  ...['--events', '3000', '--window', '20', '--horizons', '5,20', '--levels', '3'],
  ...['--layers', '1', '--width', '16', '--heads', '2', '--feed-forward', '32', '--batch', '16'],
  ...['--latency-samples', '20', '--seed', '7'],
];
