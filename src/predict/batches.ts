/** One run of a plan: `windows` of its `batch` rows are windows of the caller, from `start` on; the rest is padding. */
export interface BatchRun {
  start: number;
  windows: number;
  batch: number;
}

/**
 * Splits n windows into runs of the batch sizes that there are plans for. A remainder is padded up to the next size
 * when at least half of that run is of use, else run in smaller sizes.
 *
 * @param sizes rising, the smallest first.
 */
export function splitBatches(windows: number, sizes: readonly number[]): BatchRun[] {
  const runs: BatchRun[] = [];
  let start = 0;
  while (start < windows) {
    const left = windows - start;
    const larger = sizes.find((size) => size >= left);
    const smaller = sizes.findLast((size) => size <= left);
    const pad = larger !== undefined && (smaller === undefined || larger <= 2 * left);
    const batch = pad ? larger : (smaller as number);
    const taken = Math.min(batch, left);
    runs.push({ start, windows: taken, batch });
    start += taken;
  }
  return runs;
}
