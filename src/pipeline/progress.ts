/** One report from a running stage: enough for a bar with rate and time left. */
export interface PipelineProgress {
  /** Short name of the stage: 'read', 'book', 'features', 'train' … */
  stage: string;
  done: number;
  total: number;
  /** What `done` and `total` count: 'rows', 'steps' … */
  unit: string;
  /** Where this stage took up its work when it goes on from a checkpoint. */
  resumedFrom?: number;
  /** A few words on how it stands: 'loss 1.023'. */
  detail?: string;
  finished?: boolean;
}

export type ProgressListener = (progress: PipelineProgress) => void;
