import { FlashbookError, invalid } from './errors.js';

/**
 * Checks an options object against the names it may hold: an unknown or misspelt name is an error that names the
 * nearest right one. Values are checked by the caller.
 */
export function checkOptions(where: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (options === null || typeof options !== 'object') throw invalid(`${where} options`, 'an object', options);
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const guess = nearest(name, known);
    const hint = guess === undefined ? `known options are ${known.join(', ')}` : `did you mean '${guess}'?`;
    throw new FlashbookError('OPTION', `${where} has no option '${name}'; ${hint}`, { name, guess });
  }
}

/** The known name within a small edit distance of `name`, if there is one. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}

/** Checks that `value` is an integer in [min, max] and returns it. */
export function integer(name: string, value: unknown, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(name, `an integer ${range(min, max)}`, value);
  }
  return value;
}

/** Checks that `value` is a finite number in [min, max] and returns it. */
export function finite(
  name: string,
  value: unknown,
  min: number = -Number.MAX_VALUE,
  max: number = Number.MAX_VALUE,
): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    throw invalid(name, `a finite number ${range(min, max)}`.trimEnd(), value);
  }
  return value;
}

/** Checks that `value` is one of `allowed` and returns it. */
export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (typeof value === 'string' && (allowed as readonly string[]).includes(value)) return value as T;
  const guess = typeof value === 'string' ? nearest(value, allowed) : undefined;
  const error = invalid(name, `one of ${allowed.map((a) => `'${a}'`).join(', ')}`, value);
  if (guess !== undefined) error.message += `; did you mean '${guess}'?`;
  throw error;
}

function range(min: number, max: number): string {
  if (max >= Number.MAX_SAFE_INTEGER) return min <= -Number.MAX_VALUE ? '' : `of at least ${min}`;
  return `between ${min} and ${max}`;
}
