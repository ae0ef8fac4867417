import { InvalidArgumentError } from 'commander';
import { FEED_NAMES } from '../market/index.js';

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
