/**
 * Runs kernels through their launchers without an engine, in the simulator: every precision and shape, and what the plan has no
 * attribute for. `driver/` is a program that reads the launches from a script.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TypedArray } from '../../src/native/index.js';
import { buildSimulator, locked, type Report, ROOT, SIMULATOR } from './simulator.js';

const build = path.join(ROOT, 'build/cuda-driver');

let built = false;
/** Builds simulator and driver, or finds that they are up to date. */
export function buildDriver(): void {
  if (built) return;
  mkdirSync(build, { recursive: true });
  buildSimulator();
  locked('make', ['-s', '-j2', '-C', build, '-f', path.join(ROOT, 'test/cuda/driver/Makefile')]);
  built = true;
}

/** A script of launches, run in one process. */
export class KernelScript {
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'flashbook-cuda-'));
  private readonly lines: string[] = [];
  private readonly outputs: { file: string; into: TypedArray }[] = [];
  private count = 0;

  /** A device buffer that holds `data`; its name. */
  load(data: TypedArray): string {
    const name = `b${this.count++}`;
    const file = path.join(this.folder, name);
    writeFileSync(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.lines.push(`load ${name} ${file}`);
    return name;
  }

  /** A device buffer without content, whose content comes back in `into`. Read it after the call that fills it, with `save`. */
  alloc(bytes: number): string {
    const name = `b${this.count++}`;
    this.lines.push(`alloc ${name} ${bytes}`);
    return name;
  }

  save(name: string, into: TypedArray): void {
    const file = path.join(this.folder, `${name}.out`);
    this.lines.push(`save ${name} ${file}`);
    this.outputs.push({ file, into });
  }

  call(command: string, args: Record<string, string | number | undefined>): void {
    const words = Object.entries(args).filter(([, value]) => value !== undefined);
    this.lines.push([command, ...words.map(([key, value]) => `${key}=${value}`)].join(' '));
  }

  /** Runs everything, fills the saved arrays and throws if the interpreter found an error, an issue or a leak. */
  run(seed = 1): Report {
    buildDriver();
    const script = path.join(this.folder, 'script');
    const reportFile = path.join(this.folder, 'report.json');
    writeFileSync(script, `${this.lines.join('\n')}\n`);
    try {
      const { status, stderr } = spawnSync(path.join(build, 'driver'), [script], {
        encoding: 'utf8',
        env: {
          ...process.env,
          LD_LIBRARY_PATH: SIMULATOR,
          PTXSIM_REPORT: reportFile,
          PTXSIM_SEED: String(seed),
        },
      });
      const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
      const hard = report.issues.map(({ kind, count, first }) => `${count} × ${kind}: ${first}`);
      if (status !== 0 || report.error !== '' || hard.length > 0 || report.leaked_allocs !== 0) {
        throw new Error(
          [`status ${status}`, stderr, report.error, ...hard, `${report.leaked_allocs} leaks`].join('\n'),
        );
      }
      for (const { file, into } of this.outputs) {
        new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(readFileSync(file));
      }
      return report;
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

/** Sums over all instructions, or those that `which` takes. */
export function traffic(report: Report, which: (text: string) => boolean = () => true) {
  const sum = { wavefronts: 0, idealWavefronts: 0, sectors: 0, idealSectors: 0 };
  for (const [, , , wavefronts, idealWavefronts, sectors, idealSectors, text] of report.per_instr) {
    if (!which(text)) continue;
    sum.wavefronts += wavefronts;
    sum.idealWavefronts += idealWavefronts;
    sum.sectors += sectors;
    sum.idealSectors += idealSectors;
  }
  return sum;
}

/** Kernel launches by the plain name of the function, template arguments left out. */
export function launches(report: Report, name: string): number {
  return Object.entries(report.kernels)
    .filter(([mangled]) => mangled.includes(`${name.length}${name}`))
    .reduce((sum, [, count]) => sum + count, 0);
}
