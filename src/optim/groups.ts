import { FlashbookError, invalid } from '../core/errors.js';
import { checkOptions, finite } from '../core/options.js';
import type { OptimizerConfig, OptimizerParameter } from './optimizer.js';

/** Settings for some of the parameters; the first group that matches counts, and what it leaves out is the optimiser's. */
export interface ParameterGroup {
  /** A regular expression, found anywhere in the parameter's name: '^embedding', 'norm'. */
  parameters: string;
  /** Factor of the learning rate; 0 freezes. Default 1. */
  rate?: number;
  /** Weight decay, for all parameters of the group, biases too. */
  weightDecay?: number;
}

/** What holds for one parameter. */
export interface ParameterSettings {
  rate: number;
  weightDecay: number;
}

/** @throws FlashbookError OPTION for a group that cannot be. */
export function checkGroups(groups: readonly ParameterGroup[]): ParameterGroup[] {
  if (!Array.isArray(groups)) throw invalid('groups', 'a list of parameter groups', groups);
  return groups.map((group, i) => {
    checkOptions(`groups[${i}]`, group, ['parameters', 'rate', 'weightDecay']);
    try {
      if (typeof group.parameters !== 'string') throw new TypeError();
      new RegExp(group.parameters);
    } catch {
      throw invalid(`groups[${i}].parameters`, 'a regular expression as a string', group.parameters);
    }
    if (group.rate !== undefined) finite(`groups[${i}].rate`, group.rate, 0);
    if (group.weightDecay !== undefined) finite(`groups[${i}].weightDecay`, group.weightDecay, 0);
    return { ...group };
  });
}

/**
 * The settings of each parameter. Without a group, weights decay, biases and normalisation parameters do not.
 * @throws FlashbookError OPTION for a group that no parameter matches: it is misspelt.
 */
export function settingsOf(
  parameters: readonly OptimizerParameter[],
  groups: readonly ParameterGroup[],
  weightDecay: number,
): ParameterSettings[] {
  const patterns = groups.map(({ parameters: pattern }) => new RegExp(pattern));
  for (const [i, pattern] of patterns.entries()) {
    if (parameters.some(({ name }) => pattern.test(name))) continue;
    throw new FlashbookError(
      'OPTION',
      `groups[${i}] matches no parameter: expected a part of a name such as '${parameters[0]?.name}' but received '${pattern.source}'`,
      { name: `groups[${i}].parameters`, received: pattern.source },
    );
  }
  return parameters.map(({ name, decay }) => {
    const group = groups[patterns.findIndex((pattern) => pattern.test(name))];
    return { rate: group?.rate ?? 1, weightDecay: group?.weightDecay ?? (decay ? weightDecay : 0) };
  });
}

/** Groups as plain data for an optimiser's configuration. */
export function groupsConfig(groups: readonly ParameterGroup[]): { groups?: OptimizerConfig } {
  if (groups.length === 0) return {};
  const entries = groups.map(({ parameters, rate = 1, weightDecay }, i): [string, OptimizerConfig] => [
    String(i),
    { parameters, rate, ...(weightDecay === undefined ? {} : { weightDecay }) },
  ]);
  return { groups: Object.fromEntries(entries) };
}

/**
 * Layer-wise learning rates for a model whose parts are named from the input to the output: part i of n learns with
 * rate · decay^(n − 1 − i). Source: Howard & Ruder 2018, "Universal Language Model Fine-tuning", §3.2 (there decay = 1/2.6).
 *
 * @param parts beginnings of names, such as ['embedding', 'encoder.0', 'encoder.1', 'heads']
 */
export function layerwiseRates(parts: readonly string[], decay: number): ParameterGroup[] {
  finite('decay', decay, Number.MIN_VALUE, 1);
  return parts.map((part, i) => ({
    parameters: `^${part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(\\.|$)`,
    rate: decay ** (parts.length - 1 - i),
  }));
}

/**
 * The parts of a model for `layerwiseRates`, from the names of its parameters in their order, which is that of the data: numbered layers each
 * ('encoder.0'), other modules whole ('embedding'), all heads as one ('heads').
 */
export function layerParts(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => PART.exec(name)![0]))];
}

const PART = /^(?:heads|returns|outputs|logits)(?=\.)|^[^.]+(?:\.layers)?\.\d+(?=\.)|^[^.]+/;
