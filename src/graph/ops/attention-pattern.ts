import { invalid } from '../../core/errors.js';
import { finite, integer } from '../../core/options.js';

/**
 * Which keys each head sees, one number a head; absent: as if no head had one.
 * Heads of one layer may so look at different horizons.
 */
export type AttentionPattern = {
  /** The window w: query t sees the keys t − w + 1 … t when causal, |t − s| < w when not; 0: all. Beltagy et al. 2020 (arXiv:2004.05150). */
  windows?: readonly number[];
  /** The stride: query t sees the keys s with (t − s) a multiple of it; 1: all. Child et al. 2019 (arXiv:1904.10509). */
  strides?: readonly number[];
  /** ALiBi: −slope·|t − s| is added to the scaled score; 0: nothing. Press et al. 2022 (arXiv:2108.12409). */
  alibi?: readonly number[];
};

export const PATTERN_OPTIONS = ['windows', 'strides', 'alibi'] as const;

/** Throws unless each list has one number a head, in its range. */
export function checkPattern(operation: string, heads: number, { windows, strides, alibi }: AttentionPattern): void {
  const each = (
    name: string,
    list: readonly number[] | undefined,
    check: (label: string, value: number) => unknown,
  ) => {
    if (list === undefined) return;
    if (!Array.isArray(list) || list.length !== heads) {
      throw invalid(`${name} of ${operation}`, `a list of ${heads} numbers, one a head`, list);
    }
    for (const [head, value] of list.entries()) check(`${name}[${head}] of ${operation}`, value);
  };
  each('windows', windows, (label, value) => integer(label, value, 0, 2 ** 31 - 1));
  each('strides', strides, (label, value) => integer(label, value, 1, 2 ** 31 - 1));
  each('alibi', alibi, (label, value) => finite(label, value, 0));
}

/** The attributes of a pattern: lists that ask for nothing are left out. */
export function patternAttributes({ windows, strides, alibi }: AttentionPattern): AttentionPattern {
  return {
    ...(windows?.some((w) => w !== 0) && { windows: [...windows] }),
    ...(strides?.some((s) => s !== 1) && { strides: [...strides] }),
    ...(alibi?.some((slope) => slope !== 0) && { alibi: [...alibi] }),
  };
}

export function hasPattern({ windows, strides, alibi }: AttentionPattern): boolean {
  return windows !== undefined || strides !== undefined || alibi !== undefined;
}

/** The keys that a query of a head sees among `steps`, rising. */
export function visibleKeys(
  pattern: AttentionPattern,
  causal: boolean,
  steps: number,
  head: number,
  query: number,
): number[] {
  const window = pattern.windows?.[head] ?? 0;
  const stride = pattern.strides?.[head] ?? 1;
  const keys = [];
  for (let key = query % stride; key < steps; key += stride) {
    if (causal && key > query) break;
    if (window === 0 || Math.abs(query - key) < window) keys.push(key);
  }
  return keys;
}

/** Pairs of a query and a key that it sees, over all heads of one sequence. */
export function visiblePairs(
  pattern: AttentionPattern,
  causal: boolean,
  { heads, steps, queryRows }: { heads: number; steps: number; queryRows: number },
): number {
  let pairs = 0;
  for (let head = 0; head < heads; head++) {
    const window = pattern.windows?.[head] ?? 0;
    const stride = pattern.strides?.[head] ?? 1;
    for (let query = steps - queryRows; query < steps; query++) {
      const reach = window === 0 ? steps : window - 1;
      pairs += 1 + Math.floor(Math.min(query, reach) / stride);
      if (!causal) pairs += Math.floor(Math.min(steps - 1 - query, reach) / stride);
    }
  }
  return pairs;
}

/**
 * The slopes of ALiBi for a number of heads: 2^(−8·(h+1)/heads) where heads is a power of two; else those of the next lower power,
 * then every second one of the next higher (Press et al. 2022, section 3, and their code).
 */
export function alibiSlopes(heads: number): number[] {
  integer('heads of alibiSlopes', heads, 1);
  const slopes = (count: number) => Array.from({ length: count }, (_, h) => 2 ** ((-8 * (h + 1)) / count));
  const power = 2 ** Math.floor(Math.log2(heads));
  const odd = slopes(2 * power).filter((_, h) => h % 2 === 0);
  return [...slopes(power), ...odd.slice(0, heads - power)];
}
