import { basename } from 'node:path';
import type { RunConfig } from './config.js';

/** The label of a run in words, with its source. */
export function labelDefinition({ label }: Pick<RunConfig, 'label'>): { kind: string; description: string } {
  return label === 'mid'
    ? {
        kind: 'mid',
        description:
          'Direction of the mean of the next k mid prices against the mid now (Zhang et al. 2019, eq. 3; «label A»).',
      }
    : {
        kind: 'past',
        description:
          'Direction of the mean of the next k mid prices against the mean of the last k (Zhang et al. 2019, eq. 4; «label B»: it contains the past).',
      };
}

/** A source without the folders of this machine. */
export function shortSource(source: string): string {
  return source.includes('/') && !source.includes(' ')
    ? basename(source)
    : source.replace(/(?:\/[^\s/]+)+\/([^\s/]+)/g, '$1');
}
