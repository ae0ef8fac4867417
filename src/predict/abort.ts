import { FlashbookError } from '../core/errors.js';

export function aborted(signal: AbortSignal): FlashbookError {
  return new FlashbookError('ABORTED', 'the prediction was aborted', {}, { cause: signal.reason });
}

/** Rejects as soon as the signal fires; the run itself ends in the background. */
export function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
