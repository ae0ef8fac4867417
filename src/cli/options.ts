import { InvalidArgumentError } from 'commander';
import { FEED_NAMES } from '../market/index.js';
import type { RunConfigInput } from '../pipeline/config.js';

/** What `--format` takes. */
export const FORMAT_HELP = `format of the data: auto, ${FEED_NAMES.join(', ')}`;

/** Parses a whole number for commander; an error names what came. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('expected a whole number.');
  return value;
}

export function decimalNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number.');
  return value;
}

/** Where a plot goes. */
export function svgFile(path: string): string {
  if (!/\.svg$/i.test(path)) throw new InvalidArgumentError('plots are SVG: expected a path that ends in .svg.');
  return path;
}

/** '10,50,100' → [10, 50, 100]. */
export function wholeNumbers(text: string): number[] {
  return text.split(',').map(wholeNumber);
}

/** '1,0.5' → [1, 0.5]. */
export function decimalNumbers(text: string): number[] {
  return text.split(',').map(decimalNumber);
}

/**
 * 'tcnModel:width=32,lstmBaseline:learning-rate=1e-3' → a list of members with what each changes; a name alone stays a name. What they
 * hold is checked by `runConfig`.
 */
export function ensembleMembers(text: string): RunConfigInput['ensemble'] {
  if (!/[,:]/.test(text)) return text as RunConfigInput['ensemble'];
  return text.split(',').map((member) => {
    const [model, ...changes] = member.split(':');
    const entries = changes.map((change) => {
      const [name, value] = change.split('=');
      if (value === undefined) throw new InvalidArgumentError(`expected option=value after '${model}:'.`);
      const camel = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
      return [camel, value.trim() === '' || Number.isNaN(Number(value)) ? value : Number(value)];
    });
    return { model, ...Object.fromEntries(entries) };
  });
}

/**
 * An AbortSignal that fires on the first Ctrl-C (or a polite kill); the second one ends the process at once.
 * `done()` puts the default behaviour back.
 */
export function interruptSignal(onInterrupt: () => void): { signal: AbortSignal; done: () => void } {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    onInterrupt();
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return {
    signal: controller.signal,
    done: () => {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    },
  };
}
