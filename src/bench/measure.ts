import { setTimeout as sleep } from 'node:timers/promises';
import { FlashbookError } from '../core/errors.js';
import { setThreads } from '../native/index.js';
import { type BenchCase, type Contender, caseId, mismatch, type Role, type Turn } from './case.js';
import type { Yardstick } from './quiet.js';
import { type Round, summarise, type TimeSummary } from './samples.js';

export interface Pace {
  /** Turns of each contender. */
  rounds: number;
  /** Time of one turn. */
  turnMs: number;
  /** How long a turn waits for a free machine. */
  patienceMs: number;
}

/** Enough for steady medians on a machine that is left alone. */
export const FULL: Pace = { rounds: 9, turnMs: 60, patienceMs: 2_000 };
/** A look, in a tenth of the time. */
export const QUICK: Pace = { rounds: 3, turnMs: 15, patienceMs: 100 };

/** A batch of short calls takes about this long, far above the clock's own cost. */
const BATCH_NS = 200_000;
const WARM_UP_NS = 3_000_000;
/** Threads of ONNX Runtime spin for some milliseconds before they sleep, and would take a core from the next contender. */
const REST_MS = 40;

export interface ContenderTimes extends TimeSummary {
  role: Role;
  name: string;
}

/** Times of a case, or why there are none. */
export interface CaseTimes {
  times: ContenderTimes[];
  /** What a contender computed wrong, or why it cannot run; no time is given for it. */
  failures: { role: Role; name: string; problem: string; wrong: boolean }[];
}

interface Running {
  contender: Contender;
  turn: Turn;
  batch: number;
  rounds: Round[];
}

/**
 * Times the contenders of a case in turns, so that a noisy spell meets all of them. Each is checked before it is timed, and
 * again after its last turn; one whose result is wrong gets no time.
 */
export async function measureCase(
  benchCase: BenchCase,
  { pace, yardstick, signal }: { pace: Pace; yardstick: Pick<Yardstick, 'free' | 'wait'>; signal?: AbortSignal },
): Promise<CaseTimes> {
  const failures: CaseTimes['failures'] = [];
  const running: Running[] = [];
  setThreads(benchCase.threads);
  const expected = await benchCase.expected();
  const fail = ({ role, name }: Contender, problem: string, wrong: boolean) =>
    void failures.push({ role, name, problem, wrong });
  try {
    for (const contender of benchCase.contenders) {
      let turn: Turn;
      try {
        turn = await contender.open();
      } catch (error) {
        fail(contender, (error as Error).message, !isAbsence(error));
        continue;
      }
      const first = await turn.run();
      const problem = mismatch(turn.output(), expected, contender.tolerance);
      if (problem !== undefined) {
        fail(contender, problem, true);
        await turn.close();
        continue;
      }
      running.push({ contender, turn, batch: await warmUp(turn, first, benchCase.single ?? false), rounds: [] });
    }
    const rests = running.some(({ contender }) => contender.role === 'rival') && running.length > 1;
    for (let round = 0; round < pace.rounds; round++) {
      for (const { turn, batch, rounds } of running) {
        if (signal?.aborted)
          throw new FlashbookError('ABORTED', 'the benchmark was aborted', {}, { cause: signal.reason });
        if (slow(rounds, pace, round)) continue;
        if (rests) await sleep(REST_MS);
        const freeBefore = await yardstick.wait(pace.patienceMs);
        const ns = await takeTurn(turn, batch, pace.turnMs);
        rounds.push({ quiet: freeBefore && yardstick.free(), ns });
      }
    }
    const times: ContenderTimes[] = [];
    for (const { contender, turn, rounds } of running) {
      const problem = mismatch(turn.output(), expected, contender.tolerance);
      if (problem !== undefined) fail(contender, `${problem}, after ${rounds.length} rounds`, true);
      else times.push({ role: contender.role, name: contender.name, ...summarise(rounds) });
    }
    return { times, failures };
  } catch (error) {
    if (error instanceof FlashbookError)
      throw new FlashbookError(error.code, `${caseId(benchCase)}: ${error.message}`, error.details, { cause: error });
    throw error;
  } finally {
    for (const { turn } of running) await turn.close();
  }
}

/** ONNX Runtime is optional, and an instruction set may be another machine's: no time, and no defect. */
function isAbsence(error: unknown): boolean {
  return error instanceof FlashbookError && (error.code === 'BACKEND' || error.code === 'NATIVE');
}

/** Calls until caches and branch predictors know the contender; returns how many calls a sample holds. */
async function warmUp(turn: Turn, firstNs: number, single: boolean): Promise<number> {
  let fastest = firstNs;
  for (let spent = firstNs; spent < WARM_UP_NS; ) {
    const ns = await turn.run();
    fastest = Math.min(fastest, ns);
    spent += Math.max(ns, 1000);
  }
  return single ? 1 : Math.max(1, Math.round(BATCH_NS / Math.max(fastest, 1)));
}

/** Nanoseconds a call, one number a sample. */
async function takeTurn(turn: Turn, batch: number, turnMs: number): Promise<number[]> {
  const samples: number[] = [];
  const end = performance.now() + turnMs;
  let spent = 0;
  for (let i = 0; i < Math.min(3, batch); i++) await turn.run(); // what ran before has taken the caches
  do {
    let sum = 0;
    for (let i = 0; i < batch; i++) {
      const ns = turn.run();
      sum += typeof ns === 'number' ? ns : await ns;
    }
    samples.push(sum / batch);
    spent += sum / 1e6;
  } while (spent < turnMs && performance.now() < end);
  return samples;
}

/** A contender whose one call takes many turns' time has had enough of them after a few. */
function slow(rounds: readonly Round[], { turnMs }: Pace, round: number): boolean {
  if (rounds.length === 0) return false;
  const calls = rounds.map(({ ns }) => ns[0] / 1e6);
  return calls[0] > 8 * turnMs && round > 0 && rounds.length >= 1 + Math.floor((8 * turnMs) / calls[0]);
}
