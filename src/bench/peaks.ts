import { type Isa, type PeakKind, runPeak, setThreads } from '../native/index.js';
import { timed } from './case.js';

/** Peaks of this machine with one number of threads: GFLOP/s, Gop/s, GB/s; bf16 is null where there is no instruction for it. */
export interface Peaks {
  threads: number;
  f32: number;
  bf16: number | null;
  int8: number;
  /** Reading and b + c/2 over memory that no cache holds, and over half of what a core's own cache usually has. */
  memoryRead: number;
  memoryTriad: number;
  cacheRead: number;
  cacheTriad: number;
}

const ARITHMETIC_NS = 2_000_000;
const REPEATS = 12;
/** Floats a thread: 96 MiB, beyond any cache; 768 KiB, within a core's second level. */
const FAR = 24 << 20;
const NEAR = 192 << 10;

/** Measures the peaks, of an instruction set or the best: the best of some short runs, since other processes only ever add time. */
export function measurePeaks(threads: number, isa?: Isa): Peaks {
  setThreads(threads);
  const sweep = new Sweeps(threads);
  const bf16 = arithmetic('bf16', threads, isa);
  return {
    threads,
    f32: arithmetic('f32', threads, isa),
    bf16: bf16 === 0 ? null : bf16,
    int8: arithmetic('int8', threads, isa),
    memoryRead: sweep.rate('read', FAR * 4),
    memoryTriad: sweep.rate('triad', FAR * 4),
    cacheRead: sweep.rate('read', NEAR * 4),
    cacheTriad: sweep.rate('triad', NEAR * 4),
  };
}

function arithmetic(kind: PeakKind, threads: number, isa?: Isa): number {
  let rounds = 1000;
  if (runPeak(kind, { threads, rounds, isa }) === 0) return 0;
  const once = Math.min(...Array.from({ length: 5 }, () => timed(() => runPeak(kind, { threads, rounds, isa }))));
  rounds = Math.max(1000, Math.round((rounds * ARITHMETIC_NS) / once));
  let best = 0;
  for (let i = 0; i < REPEATS; i++) {
    let operations = 0;
    const ns = timed(() => {
      operations = runPeak(kind, { threads, rounds, isa });
    });
    best = Math.max(best, operations / ns);
  }
  return best;
}

/** Rates of plain sweeps, by the amount of memory that is swept over. */
export class Sweeps {
  readonly #memory: Float32Array;
  readonly #known = new Map<string, number>();

  constructor(readonly threads: number) {
    this.#memory = new Float32Array(threads * FAR + 1024).fill(1); // written, so that it is real memory
  }

  /** GB/s of sweeps over `bytes` a thread. */
  rate(kind: 'read' | 'triad', bytes: number): number {
    const floats = Math.min(FAR, Math.max(4096, Math.round(2 ** (Math.round(Math.log2(bytes / 4) * 2) / 2))));
    const key = `${kind} ${floats}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const memory = this.#memory.subarray(0, Math.round(this.threads * floats) + 16);
    const rounds = Math.max(1, Math.round((2 << 20) / floats));
    let best = 0;
    for (let i = 0; i < 6; i++) {
      let moved = 0;
      const ns = timed(() => {
        moved = runPeak(kind, { threads: this.threads, rounds, memory });
      });
      best = Math.max(best, moved / ns);
    }
    this.#known.set(key, best);
    return best;
  }
}
