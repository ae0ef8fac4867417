import { createHash } from 'node:crypto';
import { FlashbookError } from '../core/errors.js';
import type { TypedArray } from '../native/plan-spec.js';

/** What decides the bits of a training run, as plain JSON data: two runs of one configuration give the same weights. */
export type Configuration = { readonly [name: string]: ConfigurationValue };
export type ConfigurationValue = number | string | boolean | null | readonly ConfigurationValue[] | Configuration;

/** A difference between two configurations; `undefined` where one of them has no such name. */
export interface Difference {
  /** Dotted path, such as `schedule.learningRate`. */
  name: string;
  saved: ConfigurationValue | undefined;
  wanted: ConfigurationValue | undefined;
}

/** All differences, in the order of `wanted`, then names that only `saved` has. */
export function differences(saved: Configuration, wanted: Configuration): Difference[] {
  const a = flatten(saved);
  const b = flatten(wanted);
  const names = new Set([...b.keys(), ...a.keys()]);
  return [...names]
    .filter((name) => a.get(name) !== b.get(name))
    .map((name) => ({ name, saved: a.get(name), wanted: b.get(name) }));
}

/**
 * Refuses to go on from a checkpoint of another run.
 * @throws FlashbookError OPTION that names up to four differences.
 */
export function requireSame(path: string, saved: Configuration, wanted: Configuration): void {
  const all = differences(saved, wanted);
  if (all.length === 0) return;
  const shown = all.slice(0, 4).map((d) => `${d.name} was ${show(d.saved)} and is now ${show(d.wanted)}`);
  const more = all.length > shown.length ? ` (and ${all.length - shown.length} more)` : '';
  throw new FlashbookError(
    'OPTION',
    `the checkpoint ${path} belongs to another configuration: ${shown.join('; ')}${more}. ` +
      'Give the options it was made with, or train without resuming.',
    { file: path, name: all[0].name, differences: all.length },
  );
}

/** A short digest of arrays, so that other data is told from the same data. */
export function digestOf(...arrays: readonly TypedArray[]): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of arrays) {
    hash.update(`${byteLength}:`).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Leaves by dotted path; lists are leaves, written as JSON so that they compare by content. */
function flatten(value: Configuration, prefix = '', into = new Map<string, number | string | boolean | null>()) {
  for (const [name, child] of Object.entries(value)) {
    if (child === undefined) continue;
    if (Array.isArray(child)) into.set(prefix + name, JSON.stringify(child));
    else if (child !== null && typeof child === 'object') flatten(child as Configuration, `${prefix}${name}.`, into);
    else into.set(prefix + name, child as number | string | boolean | null);
  }
  return into;
}

function show(value: ConfigurationValue | undefined): string {
  return value === undefined ? 'absent' : typeof value === 'string' ? value : JSON.stringify(value);
}
