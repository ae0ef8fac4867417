/** What a benchmark found, as it is written to a file and read again as a baseline. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FlashbookError } from '../core/errors.js';
import { fileError } from '../core/files.js';

const time = z.number().positive();
const share = z.number().nonnegative().nullable();

const times = z.object({
  role: z.enum(['fast', 'plain', 'naive', 'rival']),
  name: z.string(),
  samples: z.int().positive(),
  minMs: time,
  medianMs: time,
  p99Ms: time,
  noise: z.number().nonnegative(),
  quiet: z.number().min(0).max(1),
  /** GFLOP/s, Gop/s or GB/s, by what bounds the case; null where nothing does. */
  rate: share,
  /** The rate as a share of the machine's peak. */
  ofPeak: share,
  /** Items a second. */
  itemsPerSecond: share,
  /** How many times as long as flashbook's median this one's is. */
  ratio: share,
});

const peaks = z.object({
  threads: z.int().positive(),
  f32: z.number(),
  bf16: z.number().nullable(),
  int8: z.number(),
  memoryRead: z.number(),
  memoryTriad: z.number(),
  cacheRead: z.number(),
  cacheTriad: z.number(),
});

const row = z.object({
  id: z.string(),
  suite: z.string(),
  name: z.string(),
  threads: z.int().positive(),
  bound: z.enum(['f32', 'bf16', 'int8', 'memory', 'none']),
  operations: z.number().nonnegative(),
  bytes: z.number().nonnegative(),
  items: z.object({ unit: z.string(), count: z.number() }).optional(),
  times: z.array(times),
  failures: z.array(z.object({ role: z.string(), name: z.string(), problem: z.string(), wrong: z.boolean() })),
});

const headline = z.object({
  subject: z.string(),
  target: z.string(),
  measured: z.string(),
  met: z.boolean(),
});

export const benchResultsSchema = z.object({
  version: z.literal(1),
  flashbook: z.string(),
  cpu: z.string(),
  isa: z.string(),
  node: z.string(),
  onnxRuntime: z.string().nullable(),
  quick: z.boolean(),
  peaks: z.array(peaks),
  rows: z.array(row),
  headlines: z.array(headline),
});

export type BenchResults = z.infer<typeof benchResultsSchema>;
export type BenchRow = z.infer<typeof row>;
export type BenchTimes = z.infer<typeof times>;
export type Headline = z.infer<typeof headline>;

/** The times of flashbook itself, if its result was right. */
export function fastTimes({ times: all }: Pick<BenchRow, 'times'>): BenchTimes | undefined {
  return all.find(({ role }) => role === 'fast');
}

/** The fastest contender of a role. */
export function bestOf({ times: all }: Pick<BenchRow, 'times'>, role: BenchTimes['role']): BenchTimes | undefined {
  const candidates = all.filter((one) => one.role === role);
  return candidates.sort((a, b) => a.medianMs - b.medianMs)[0];
}

/** @throws FlashbookError `FILE` or `FORMAT` naming the file */
export async function readBenchResults(path: string): Promise<BenchResults> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw fileError(path, 'read', cause);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new FlashbookError('FORMAT', `${path} is no JSON: ${(cause as Error).message}`, { file: path }, { cause });
  }
  const parsed = benchResultsSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const { path: where, message } = parsed.error.issues[0];
  throw new FlashbookError(
    'FORMAT',
    `${path} does not hold the results of a benchmark: ${where.join('.') || 'the whole'}: ${message}; write one with: flashbook bench --out ${path}`,
    { file: path },
  );
}
