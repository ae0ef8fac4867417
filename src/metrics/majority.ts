import { FlashbookError } from '../core/errors.js';
import type { Classes } from './rows.js';

/**
 * The most frequent class, the lower of equals: the guess that needs no model. Take it from the train rows and score it on
 * the test rows. Classes of −1 do not count.
 *
 * @throws FlashbookError `DATA` where no row has a class
 */
export function majorityClass(trained: Classes): number {
  const counts: number[] = [];
  for (let i = 0; i < trained.length; i++) if (trained[i] >= 0) counts[trained[i]] = (counts[trained[i]] ?? 0) + 1;
  let best = -1;
  for (let c = 0; c < counts.length; c++) if ((counts[c] ?? 0) > (counts[best] ?? 0)) best = c;
  if (best < 0)
    throw new FlashbookError('DATA', 'expected rows with a class to take the majority of but received none');
  return best;
}
