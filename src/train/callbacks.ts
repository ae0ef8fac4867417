import type { EvaluationRecord, StepRecord } from './history.js';

/** The weights at this moment, by parameter name: averages, where the optimiser has them. Copies. */
export type WeightsNow = () => Map<string, Float32Array>;

/**
 * Told what happens in a run, in the order of the steps. Returning 'stop' ends the run after this step, as early stopping
 * does; any other value counts for nothing.
 * A resumed run tells only of what it does itself.
 */
export interface TrainCallback {
  onStep?(record: StepRecord, weights: WeightsNow): unknown;
  onEvaluation?(record: EvaluationRecord, weights: WeightsNow): unknown;
  /** What it must remember over an interruption, by name: kept in the checkpoint. */
  snapshot?(): ReadonlyMap<string, Float32Array>;
  /** Takes back what it gave when the checkpoint was written, before the run goes on. */
  restore?(saved: ReadonlyMap<string, Float32Array>): void;
}
