import { invalid } from '../core/errors.js';
import { checkOptions, integer, oneOf } from '../core/options.js';
import { buildArtefact } from '../export/artefact.js';
import { type Isa, type Plan, runtimeInfo, setThreads } from '../native/index.js';
import { loadPredictor, type NativePredictor } from '../predict/index.js';
import { type Bound, timed } from './case.js';
import { measurePeaks, type Peaks } from './peaks.js';
import { normals } from './random-values.js';
import { randomPredictor } from './suites/predictor.js';
import { trainingStep } from './training-step.js';

export interface ProfileOptions {
  /** 'predict' (default): the plan of a prediction; 'train': gradients and update of a training step. */
  what?: 'predict' | 'train';
  /** The artefact to predict with: a path or its bytes. Default: the price predictor with random weights. */
  artefact?: string | Uint8Array;
  /** Of the price predictor with random weights; in training not 'int8'. Default 'f32'. */
  precision?: 'f32' | 'bf16' | 'int8' | 'int8 static';
  /** Windows of one run; of an artefact, one of the sizes that it has plans for. Default 1, in training 64. */
  batch?: number;
  threads?: number;
  isa?: Isa;
  /** In training. Default 0.1. */
  dropout?: number;
  /** Runs; each step's fastest counts, since other processes only ever add time. Default: about a second's worth. */
  repeats?: number;
}

const OPTIONS = ['what', 'artefact', 'precision', 'batch', 'threads', 'isa', 'dropout', 'repeats'];

/** What one kernel call of a plan cost. */
export interface ProfiledStep {
  /** The operation, the module whose weights it reads, its number in the plan. */
  label: string;
  kernel: string;
  /** The instruction whose peak bounds its arithmetic. */
  bound: Exclude<Bound, 'memory' | 'none'>;
  ms: number;
  /** Share of the sum over all steps. */
  share: number;
  /** Useful operations and compulsory bytes of one call. */
  flops: number;
  bytes: number;
  /** Operations a second as a share of the machine's measured peak. */
  ofPeak: number;
  /** GB/s of the compulsory bytes. */
  bandwidth: number;
}

export interface Profile {
  subject: string;
  cpu: string;
  isa: string;
  threads: number;
  batch: number;
  peaks: Peaks;
  /** The fastest whole run by the clock, without profiling; more than the sum of the steps by what is between them. */
  runMs: number;
  stepsMs: number;
  flops: number;
  arenaBytes: number;
  workspaceBytes: number;
  packedBytes: number;
  steps: ProfiledStep[];
}

interface Subject {
  name: string;
  plans: readonly Pick<Plan, 'profile' | 'setProfiling' | 'memory' | 'spec'>[];
  isa: string;
  run(): Promise<number> | number;
  close(): void | Promise<void>;
}

/** Shortest and longest profiling by default, in runs. */
const [FEWEST, MOST] = [5, 500];
const BUDGET_MS = 1000;

/**
 * Times every kernel call of a prediction or a training step, as a share of what the machine can do.
 *
 * @throws FlashbookError `OPTION`, `NATIVE`, and those of `loadPredictor`
 */
export async function profile(options: ProfileOptions = {}): Promise<Profile> {
  checkOptions('profile', options, OPTIONS);
  const what = oneOf('what', options.what ?? 'predict', ['predict', 'train']);
  const info = runtimeInfo();
  const threads = integer('threads', options.threads ?? info.threads, 1, 256);
  const batch = integer('batch', options.batch ?? (what === 'train' ? 64 : 1), 1, 4096);
  if (options.repeats !== undefined) integer('repeats', options.repeats, 1, 1e6);
  if (options.artefact !== undefined && (what === 'train' || options.precision !== undefined))
    throw invalid(what === 'train' ? 'what' : 'precision', 'none beside an artefact', options.precision ?? what);
  try {
    const peaks = measurePeaks(threads);
    const subject = what === 'train' ? training(options, batch, threads) : await prediction(options, batch, threads);
    try {
      return await measured(subject, { batch, threads, peaks, cpu: info.cpu, repeats: options.repeats });
    } finally {
      await subject.close();
    }
  } finally {
    setThreads(info.threads);
  }
}

async function prediction(options: ProfileOptions, batch: number, threads: number): Promise<Subject> {
  const { artefact, isa, precision = 'f32' } = options;
  oneOf('precision', precision, ['f32', 'bf16', 'int8', 'int8 static']);
  const source = artefact ?? (await buildArtefact({ ...randomPredictor(precision), batches: [batch] }));
  const predictor = (await loadPredictor(source, {
    backend: 'native',
    threads,
    verify: artefact !== undefined,
    ...(isa && { isa }),
  })) as NativePredictor;
  const { input, model, precision: stored } = predictor.manifest;
  const windows = normals(batch * input.steps * input.features.length, 5);
  const plan = predictor.plan(batch);
  const out = predictor.predictSync(windows);
  return {
    name: `prediction, ${typeof artefact === 'string' ? artefact : model.kind}, ${stored}`,
    plans: [plan],
    isa: plan.isa,
    run: () => timed(() => predictor.predictSync(windows, { out })),
    close: () => predictor.dispose(),
  };
}

function training(options: ProfileOptions, batch: number, threads: number): Subject {
  const { isa, dropout = 0.1 } = options;
  const precision = oneOf('precision', options.precision ?? 'f32', ['f32', 'bf16']);
  const step = trainingStep({ batch, dropout, threads, precision, ...(isa && { isa }) });
  return {
    name: `training step, PricePredictor, ${precision}, dropout ${dropout}`,
    plans: step.plans,
    isa: step.plans[0].isa,
    run: async () => {
      const start = process.hrtime.bigint();
      await step.run();
      return Number(process.hrtime.bigint() - start);
    },
    close: () => step.dispose(),
  };
}

async function measured(
  { name, plans, isa, run, close: _ }: Subject,
  known: { batch: number; threads: number; peaks: Peaks; cpu: string; repeats: number | undefined },
): Promise<Profile> {
  const { batch, threads, peaks, cpu } = known;
  for (let i = 0; i < 3; i++) await run();
  let runNs = await run();
  const repeats = known.repeats ?? Math.max(FEWEST, Math.min(MOST, Math.round((BUDGET_MS * 1e6) / runNs)));
  for (let i = 0; i < repeats; i++) runNs = Math.min(runNs, await run());
  let fastest: number[] = [];
  let entries = plans.flatMap((plan) => plan.profile());
  for (let i = 0; i < repeats; i++) {
    for (const plan of plans) plan.setProfiling(true);
    await run();
    entries = plans.flatMap((plan) => plan.profile());
    fastest = entries.map(({ nanoseconds }, s) => Math.min(nanoseconds, fastest[s] ?? Number.POSITIVE_INFINITY));
  }
  for (const plan of plans) plan.setProfiling(false);
  const bounds = plans.flatMap(({ spec }) => spec.steps.map(boundOf));
  const sum = fastest.reduce((a, b) => a + b, 0);
  const memory = plans.map((plan) => plan.memory());
  const total = (key: keyof (typeof memory)[number]) => memory.reduce((bytes, one) => bytes + one[key], 0);
  return {
    subject: name,
    cpu,
    isa,
    threads,
    batch,
    peaks,
    runMs: runNs / 1e6,
    stepsMs: sum / 1e6,
    flops: entries.reduce((flops, entry) => flops + entry.flops, 0),
    arenaBytes: total('arenaBytes'),
    workspaceBytes: total('workspaceBytes'),
    packedBytes: total('packedBytes'),
    steps: entries.map(({ label, kernel, flops, bytes }, s) => {
      const bound = bounds[s];
      const peak = (bound === 'bf16' ? (peaks.bf16 ?? peaks.f32) : peaks[bound]) || 1;
      const ns = Math.max(fastest[s], 1);
      return {
        label,
        kernel,
        bound,
        ms: fastest[s] / 1e6,
        share: sum === 0 ? 0 : fastest[s] / sum,
        flops,
        bytes,
        ofPeak: flops / ns / peak,
        bandwidth: bytes / ns,
      };
    }),
  };
}

function boundOf({ kernel, attrs }: Plan['spec']['steps'][number]): ProfiledStep['bound'] {
  if (kernel === 'qlinear' || kernel === 'qlinear_static') return 'int8';
  return attrs.precision === 'bf16' ? 'bf16' : 'f32';
}

/** The steps of a profile with the same kernel together, by falling time. */
export function byKernel(steps: readonly ProfiledStep[], peaks: Peaks): (ProfiledStep & { calls: number })[] {
  const groups = new Map<string, ProfiledStep & { calls: number }>();
  for (const step of steps) {
    const key = `${step.kernel} ${step.bound}`;
    const group = groups.get(key) ?? { ...step, label: step.kernel, calls: 0, ms: 0, share: 0, flops: 0, bytes: 0 };
    group.calls++;
    for (const sum of ['ms', 'share', 'flops', 'bytes'] as const) group[sum] += step[sum];
    groups.set(key, group);
  }
  for (const group of groups.values()) {
    const peak = (group.bound === 'bf16' ? (peaks.bf16 ?? peaks.f32) : peaks[group.bound]) || 1;
    const ns = Math.max(group.ms * 1e6, 1);
    group.ofPeak = group.flops / ns / peak;
    group.bandwidth = group.bytes / ns;
  }
  return [...groups.values()].sort((a, b) => b.ms - a.ms);
}
