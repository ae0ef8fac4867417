import { SingleBar } from 'cli-progress';
import colors from 'picocolors';
import { duration } from '../monitor/report/format.js';
import type { PipelineProgress } from '../pipeline/progress.js';

/** Shows the stages of a long command on stderr: a bar on a terminal, a line now and then elsewhere. */
export interface ProgressView {
  update(progress: PipelineProgress): void;
  /** Closes the bar that is open, if any. */
  close(): void;
}

export function progressView({
  quiet = false,
  stream = process.stderr,
}: {
  quiet?: boolean;
  stream?: NodeJS.WriteStream;
} = {}): ProgressView {
  if (quiet) return { update: () => {}, close: () => {} };
  return stream.isTTY ? barView(stream) : lineView(stream);
}

const TITLE_WIDTH = 10;

function barView(stream: NodeJS.WriteStream): ProgressView {
  let bar: SingleBar | undefined;
  let stage = '';
  let startedAt = 0;

  const stop = () => {
    bar?.stop();
    if (bar !== undefined) stream.write('\r\x1b[2K');
    bar = undefined;
  };
  const finish = (detail = '') => {
    stop();
    const took = duration((performance.now() - startedAt) / 1000);
    stream.write(`${colors.green('✓')} ${stage.padEnd(TITLE_WIDTH)} ${colors.dim(took.padEnd(14))} ${detail}\n`);
    stage = '';
  };

  return {
    update(progress) {
      if (progress.stage !== stage) {
        stop();
        stage = progress.stage;
        startedAt = performance.now();
        bar = new SingleBar({
          stream,
          format: `  {stage} ${colors.cyan('{bar}')} {percentage} % · {rate} · {left} left {detail}`,
          barCompleteChar: '█',
          barIncompleteChar: '░',
          barsize: 24,
          hideCursor: true,
          clearOnComplete: true,
          fps: 8,
        });
        bar.start(Math.max(1, progress.total), progress.done, labels(progress, startedAt));
      }
      bar?.setTotal(Math.max(1, progress.total));
      bar?.update(progress.done, labels(progress, startedAt));
      if (progress.finished) finish(progress.detail);
    },
    close: stop,
  };
}

function labels(progress: PipelineProgress, startedAt: number): Record<string, string> {
  const seconds = (performance.now() - startedAt) / 1000;
  const since = progress.done - (progress.resumedFrom ?? 0);
  const rate = since / Math.max(seconds, 1e-3);
  const left = since > 0 ? duration((progress.total - progress.done) / rate) : '–';
  return {
    stage: progress.stage.padEnd(TITLE_WIDTH),
    rate: rateOf(rate, progress.unit),
    left,
    detail: progress.detail ? `· ${progress.detail}` : '',
  };
}

function rateOf(rate: number, unit: string): string {
  if (!Number.isFinite(rate)) return `– ${unit}/s`;
  if (rate >= 1e6) return `${(rate / 1e6).toFixed(1)}M ${unit}/s`;
  if (rate >= 1e3) return `${(rate / 1e3).toFixed(1)}k ${unit}/s`;
  return `${rate.toFixed(rate < 10 ? 1 : 0)} ${unit}/s`;
}

/** Logs and CI: a line when a stage ends, and every 15 seconds within one. */
function lineView(stream: NodeJS.WriteStream): ProgressView {
  let stage = '';
  let startedAt = 0;
  let saidAt = 0;
  return {
    update(progress) {
      const now = performance.now();
      if (progress.stage !== stage) {
        stage = progress.stage;
        startedAt = now;
        saidAt = now;
      }
      if (progress.finished) {
        stream.write(
          `${stage.padEnd(TITLE_WIDTH)} done in ${duration((now - startedAt) / 1000)}  ${progress.detail ?? ''}\n`,
        );
        stage = '';
      } else if (now - saidAt > 15_000) {
        saidAt = now;
        const { rate, left } = labels(progress, startedAt);
        stream.write(
          `${stage.padEnd(TITLE_WIDTH)} ${progress.done}/${progress.total} ${progress.unit} (${rate}, ${left} left)  ${progress.detail ?? ''}\n`,
        );
      }
    },
    close: () => {},
  };
}
