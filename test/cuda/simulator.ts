/**
 * Runs CUDA code without a GPU: the addon is built as PTX with the shared runtime, and a child process loads it with the
 * simulator's runtime in its place. The simulator executes what nvcc made, instruction by instruction, and watches
 * bounds, races, barriers and uninitialised memory.
 *
 * Needs nvcc and the folder of tools that FLASHBOOK_TOOLS names, else ../shared/tools; without them `unavailable` says what is missing.
 */
import { deepStrictEqual } from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Where ptxsim and cuda-static lie. */
export const TOOLS = process.env.FLASHBOOK_TOOLS ?? join(ROOT, '..', 'shared', 'tools');
export const SIMULATOR = join(ROOT, 'build', 'ptxsim');
export const ADDON = join(ROOT, 'build', 'cuda-ptx', 'Release', 'flashbook_cuda.node');

/** Why nothing here can run; undefined when all is there. Said once on stderr. */
export const unavailable = missing();

function missing(): string | undefined {
  const found = spawnSync('nvcc', ['--version']).status === 0;
  const reason = !found
    ? 'nvcc is not on the path'
    : existsSync(join(TOOLS, 'ptxsim', 'Makefile'))
      ? undefined
      : `no ptxsim in ${TOOLS} (set FLASHBOOK_TOOLS)`;
  if (reason !== undefined) process.stderr.write(`${reason}: the tests of CUDA are skipped\n`);
  return reason;
}

/** Builds the simulator and the addon, or finds that they are up to date. */
export function build(): void {
  buildSimulator();
  locked(process.execPath, [join(ROOT, 'scripts', 'build-cuda.mjs'), '--flavour', 'ptx']);
}

export function buildSimulator(): void {
  mkdirSync(SIMULATOR, { recursive: true });
  locked('make', ['-C', SIMULATOR, '-f', join(TOOLS, 'ptxsim', 'Makefile'), '-j2']);
}

/** Runs a command that builds. Test files that come together wait for each other, and not for one that was killed: the lock is the kernel's. */
export function locked(file: string, args: string[]): void {
  const lock = join(ROOT, 'build', 'cuda-build.lock');
  const { status, stdout, stderr } = spawnSync('flock', [lock, file, ...args], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`flock ${file} ${args.join(' ')} failed:\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`);
}

/** What the simulator saw; ../shared/tools/README.md has the meaning. */
export interface Report {
  error: string;
  launches: number;
  seconds: number;
  issues: { kind: string; count: number; first: string }[];
  leaked_allocs: number;
  hard_issues: number;
  warp_instructions: number;
  /** Launches by mangled kernel name. */
  kernels: Record<string, number>;
  /** PTX line, source line, warps, shared-memory wavefronts and the ideal, global sectors and the ideal, text. */
  per_instr: [number, number, number, number, number, number, number, string][];
}

export interface Simulated<T> {
  result: T;
  report: Report;
}

/**
 * Runs `script` of this folder in a child process with the simulator as its CUDA. It reads `argument` with `argument()` and
 * answers with `answer()` of child.ts.
 */
export async function simulate<T>(
  script: string,
  argument: unknown,
  env: Record<string, string> = {},
): Promise<Simulated<T>> {
  const folder = mkdtempSync(join(tmpdir(), 'flashbook-cuda-'));
  try {
    const files = {
      argument: join(folder, 'argument.json'),
      answer: join(folder, 'answer.json'),
      report: join(folder, 'report.json'),
    };
    writeFileSync(files.argument, JSON.stringify(argument));
    const child = spawn(
      process.execPath,
      [
        '--import',
        join(ROOT, 'test', 'typescript-hooks.mjs'),
        join(ROOT, 'test', 'cuda', script),
        files.argument,
        files.answer,
      ],
      {
        cwd: ROOT,
        env: {
          ...process.env,
          FLASHBOOK_CUDA: ADDON,
          LD_LIBRARY_PATH: SIMULATOR,
          PTXSIM_REPORT: files.report,
          PTXSIM_SEED: '7',
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    const status = await new Promise((resolve) => child.on('close', resolve));
    if (status !== 0 || !existsSync(files.answer))
      throw new Error(`${script} ended with ${status}:\n${output.slice(-6000)}`);
    return {
      result: JSON.parse(readFileSync(files.answer, 'utf8')) as T,
      report: JSON.parse(readFileSync(files.report, 'utf8')) as Report,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Nothing amiss in the simulator's eyes: no error, no hard issue, no leak. */
export function expectClean({ error, issues, hard_issues, leaked_allocs }: Report): void {
  deepStrictEqual(
    { error, hard_issues, leaked_allocs, issues: issues.map(({ kind, first }) => `${kind}: ${first}`) },
    { error: '', hard_issues: 0, leaked_allocs: 0, issues: [] },
  );
}
