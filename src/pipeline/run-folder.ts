import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FlashbookError } from '../core/errors.js';
import { fileError, makeFolder, writeFileAtomic } from '../core/files.js';
import { type RunConfig, runConfigSchema, sameConfig } from './config.js';

/** The files of a run. */
export const RUN_FILES = {
  /** Configuration and start time. */
  run: 'run.json',
  checkpoint: 'training.checkpoint',
  log: 'training.jsonl',
  model: 'model.fbk',
  modelInt8: 'model.int8.fbk',
  onnx: 'model.onnx',
  onnxInt8: 'model.int8.onnx',
  metrics: 'metrics.json',
  report: 'report.html',
} as const;

/** The folder of one run: holds its configuration, and thereby what `--resume` may go on with. */
export class RunFolder {
  private constructor(
    readonly path: string,
    private readonly config: RunConfig,
    /** When the run was first started, ISO 8601: kept over interruptions, so that its artefacts are the same. */
    readonly createdAt: string,
    private readonly resumed: boolean,
  ) {}

  /**
   * Opens the folder for a run: a new one, or (with `resume`) the one that was interrupted. What an earlier run left in it
   * stays until `begin()`.
   *
   * @throws FlashbookError `FILE` where it cannot be created, `OPTION` where there is nothing to resume or the
   *   configuration differs.
   */
  static async open(
    path: string,
    config: RunConfig,
    { resume, now }: { resume: boolean; now: () => Date },
  ): Promise<RunFolder> {
    if (resume) {
      const { config: stored, createdAt } = await readRun(path);
      sameConfig(stored, config, path);
      return new RunFolder(path, config, createdAt, true);
    }
    await makeFolder(path);
    return new RunFolder(path, config, now().toISOString(), false);
  }

  /**
   * Makes the folder this run's own: called when the data have been read and found good, so that a mistyped command costs
   * nobody a trained model. What an earlier run left would else stand beside the new run's files as if it were theirs.
   */
  async begin(): Promise<void> {
    if (this.resumed) return;
    for (const name of await readdir(this.path)) if (ofRun(name)) await rm(this.file(name), { force: true });
    const description = { version: 1, createdAt: this.createdAt, config: this.config };
    await writeFileAtomic(this.file(RUN_FILES.run), `${JSON.stringify(description, null, 2)}\n`);
  }

  file(name: string): string {
    return join(this.path, name);
  }
}

/** A file that a run writes: members of an ensemble have checkpoints and logs of their own, `<file>.<member>`. */
function ofRun(name: string): boolean {
  const { checkpoint, log, ...others } = RUN_FILES;
  const files: string[] = Object.values(others);
  return files.includes(name) || [checkpoint, log].some((file) => name === file || name.startsWith(`${file}.`));
}

async function readRun(path: string): Promise<{ config: RunConfig; createdAt: string }> {
  const file = join(path, RUN_FILES.run);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new FlashbookError(
        'OPTION',
        `there is no run to resume in ${path} (no ${RUN_FILES.run}); start it without --resume`,
        { folder: path },
      );
    }
    throw fileError(file, 'read', cause);
  }
  try {
    const { version, createdAt, config } = JSON.parse(text);
    if (version !== 1 || typeof createdAt !== 'string') throw new Error(`expected version 1 but received ${version}`);
    return { config: runConfigSchema.parse(config), createdAt };
  } catch (cause) {
    throw new FlashbookError(
      'FORMAT',
      `${file} is not the description of a run; start again without --resume`,
      { file },
      { cause },
    );
  }
}
