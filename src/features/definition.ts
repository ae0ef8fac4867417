import { FlashbookError, invalid } from '../core/errors.js';
import { integer, nearest } from '../core/options.js';
import { CATALOGUE, type FeatureKind, type FeatureName } from './catalogue.js';

/** Levels `from` … `to` (1 is the best; `from` is 1 unless given) and a window of the last `events` events. */
export interface FeatureParams {
  from?: number;
  to?: number;
  events?: number;
}

/** One feature of a set: plain JSON, so that it can be stored with a model. */
export interface FeatureDefinition {
  readonly name: FeatureName;
  readonly params?: Readonly<FeatureParams>;
}

/** The features of a model, in the order of its columns. */
export type FeatureSet = readonly FeatureDefinition[];

/** The longest window, in events. */
export const LONGEST_WINDOW = 65536;

/** A definition with every parameter in its place; what a feature does not take is 0. */
export interface ResolvedDefinition {
  readonly kind: FeatureKind;
  readonly from: number;
  readonly to: number;
  readonly events: number;
}

/**
 * Checks a feature set against a book of `levels` levels.
 *
 * @throws FlashbookError `OPTION` for an unknown or misspelt feature or parameter, a level that the book does not have, a
 * window out of range, an empty set, or a column that comes twice.
 */
export function resolveFeatures(set: FeatureSet, levels: number): ResolvedDefinition[] {
  if (!Array.isArray(set) || set.length === 0) throw invalid('features', 'a non-empty list of definitions', set);
  integer('levels', levels, 1, 1000);
  const resolved = set.map((definition, i) => resolve(definition, i, levels));
  const seen = new Set<string>();
  for (const name of resolved.flatMap(columnNames)) {
    if (seen.has(name)) {
      throw new FlashbookError('OPTION', `the feature set has the column '${name}' twice; leave one out`, { name });
    }
    seen.add(name);
  }
  return resolved;
}

/** The names of a set's columns, in order: what `computeFeatures` returns as `names`. */
export function featureNames(set: FeatureSet, levels: number): string[] {
  return resolveFeatures(set, levels).flatMap(columnNames);
}

/** The longest window of a set in events: how far back of its own row a feature looks. At least 1. */
export function featureMemory(set: FeatureSet): number {
  return Math.max(1, ...set.map((definition) => definition.params?.events ?? 1));
}

/** The columns of one definition: its stems, then its levels, then its window (`imbalance_1_5`, `past_return_over_10`). */
function columnNames({ kind, from, to, events }: ResolvedDefinition): string[] {
  const window = kind.events ? `_over_${events}` : '';
  if (kind.perLevel) {
    const rows = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    return rows.flatMap((level) => kind.columns.map((stem) => `${stem}_${level}${window}`));
  }
  const range = kind.levels ? (from === to ? `_${from}` : `_${from}_${to}`) : '';
  return kind.columns.map((stem) => `${stem}${range}${window}`);
}

function resolve(definition: FeatureDefinition, index: number, levels: number): ResolvedDefinition {
  const where = `features[${index}]`;
  if (definition === null || typeof definition !== 'object') throw invalid(where, 'a feature definition', definition);
  const kind = CATALOGUE.find((entry) => entry.name === definition.name);
  if (kind === undefined) {
    const names = CATALOGUE.map((entry) => entry.name);
    const guess = typeof definition.name === 'string' ? nearest(definition.name, names) : undefined;
    throw invalid(
      `${where}.name`,
      guess ? `a feature's name (did you mean '${guess}'?)` : `one of ${names.join(', ')}`,
      definition.name,
    );
  }
  const params = definition.params ?? {};
  const known = [...(kind.levels ? ['from', 'to'] : []), ...(kind.events ? ['events'] : [])];
  for (const name of Object.keys(params)) {
    if (!known.includes(name)) {
      const takes = known.length === 0 ? 'takes no parameters' : `takes ${known.join(', ')}`;
      throw new FlashbookError(
        'OPTION',
        `${where}: the feature '${kind.name}' has no parameter '${name}'; it ${takes}`,
        { name },
      );
    }
  }
  const from = kind.levels ? integer(`${where}.params.from`, params.from ?? 1, 1, levels) : 0;
  const to = kind.levels ? integer(`${where}.params.to`, params.to, from, levels) : 0;
  const events = kind.events ? integer(`${where}.params.events`, params.events, 1, LONGEST_WINDOW) : 0;
  return { kind, from, to, events };
}
